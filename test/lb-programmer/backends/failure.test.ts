/** What the system's errors mean to a backend, whatever it was doing. */
import { constants } from "node:os";
import { expect, test } from "vitest";
import { LbError } from "../../../src/lb-programmer/backends/backend.ts";
import { inside, lbError } from "../../../src/lb-programmer/backends/common/failure.ts";
import { runTool, wordsOf } from "../../../src/lb-programmer/backends/common/tool.ts";
import type { LbTarget } from "../../../src/lb-programmer/state.ts";
import { OsError } from "../../../src/os/error.ts";

const TARGET: LbTarget = { kind: "sandbox", id: "sandbox/c", sandbox: "c", netns: "/run/netns/none-of-that-name" };
const { ENOENT, EINVAL, EPERM, ENODEV } = constants.errno;
const GONE = "sandbox/c: its network namespace /run/netns/none-of-that-name is gone";
const file = (code: string): Error => Object.assign(new Error(`${code}: no, open '/proc/x'`), { code });

test.each<[string, unknown, LbError["code"], string]>([
  ["nothing at the path", new OsError("open namespace", ENOENT, "/x"), "gone", GONE],
  ["a file that was a namespace", new OsError("open namespace", EINVAL, "/x"), "gone", GONE],
  ["a namespace that died meanwhile", new OsError("setns", EINVAL, "/x"), "gone", GONE],
  [
    "no right to enter it",
    new OsError("setns", EPERM, "/x"),
    "denied",
    "sandbox/c: work: setns /x: EPERM (entering a network namespace needs CAP_SYS_ADMIN) (needs CAP_NET_ADMIN)",
  ],
  ["EINVAL of something else", new OsError("add address", EINVAL), "failed", "sandbox/c: work: add address: EINVAL"],
  ["no such device", new OsError("add address", ENODEV), "failed", "sandbox/c: work: add address: ENODEV"],
  ["a file that is not there", file("ENOENT"), "missing", "sandbox/c: work: ENOENT: no, open '/proc/x'"],
  [
    "a file system that is read-only",
    file("EROFS"),
    "denied",
    "sandbox/c: work: EROFS: no, open '/proc/x' (needs CAP_NET_ADMIN)",
  ],
  ["one of ours, as it is", new LbError("missing", TARGET, "no nft"), "missing", "sandbox/c: no nft"],
  ["no error at all", "oops", "failed", "sandbox/c: work: oops"],
])("%s", (_, error, code, message) => {
  expect(lbError(TARGET, "work", error)).toMatchObject({ name: "LbError", code, message, target: "sandbox/c" });
});

test("work in a namespace that is not there is not done", () => {
  expect(() => inside(TARGET, "work", () => expect.unreachable())).toThrow(GONE);
});

test("a tool that is not installed, and one for a namespace that is gone", async () => {
  const here: LbTarget = { kind: "host", id: "host", bridge: "br0" };
  await expect(runTool(here, "no-such-tool", [])).rejects.toMatchObject({ code: "missing" });
  await expect(runTool(TARGET, "true", [])).rejects.toMatchObject({ code: "gone", message: GONE });
});

test.each([
  [1, "Error: no\nand more", "Error: no"],
  [1, "", "nft ended with status 1"],
  [-1, "", "nft took too long, or printed too much, and was ended"],
])("a tool that ends with %i and says %j", (status, stderr, words) => {
  expect(wordsOf({ status, stderr, stdout: "" }, "nft")).toBe(words);
});
