/** `eleven state`: what is stored, told, saved and put back by the built command. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { changes } from "../support/world.ts";
import { built } from "./built.ts";

let stateDir: string;
let saved: string;
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), "eleven-"));
  saved = join(mkdtempSync(join(tmpdir(), "eleven-")), "saved");
});
const log = () => join(stateDir, "objects/objects.log");

/** What a node of this state directory stores; it is left open, or closed. */
async function stored(...batches: string[]): Promise<() => Promise<void>> {
  const { createNode, fileStore } = await built();
  const node = createNode({ store: fileStore({ directory: join(stateDir, "objects") }), stateDir });
  onTestFinished(() => node.close());
  await node.ready();
  for (const batch of batches) await node.write(changes(batch));
  return () => node.close();
}

/** Exit code and what was said, with short names for paths that differ each time. */
function eleven(...words: string[]): string {
  const all = ["dist/main.js", "state", ...words, "--state-dir", stateDir];
  const { status, stdout, stderr } = spawnSync(process.execPath, all, { timeout: 20_000, encoding: "utf8" });
  const said = `${stdout}${stderr}`.replaceAll(log(), "LOG").replaceAll(join(stateDir, "objects"), "STORE");
  return `${status} ${said.replaceAll(saved, "SAVED")}`.replace(/before-\w+/, "before-NOW").trimEnd();
}

const HAS = "1 networks, 0 services, 0 tasks, 1 containers, 0 sandboxes";

test("saved while the node runs, and put back when it has ended", async () => {
  const close = await stored("network n overlay 10.0.0.0/24", "container a on n");
  expect(eleven("check")).toBe(`0 LOG: good (version 2, revision 2, ${HAS})`);
  expect(eleven("backup", saved)).toBe(`0 SAVED: revision 2, ${HAS}`);
  expect(eleven("backup", saved)).toBe("1 eleven: SAVED can't be written: EEXIST");
  expect(eleven("check", saved)).toBe(`0 SAVED: good (version 2, revision 2, ${HAS})`);
  expect(eleven("restore", saved)).toBe(
    `1 eleven: the store in STORE is open in process ${process.pid}; there can be one at a time`,
  );
  await close();
  expect(eleven("restore", saved)).toBe(`0 LOG: revision 3, ${HAS}\nwhat was there is kept: LOG.before-NOW`);
  const again = await stored();
  expect(eleven("check")).toBe(`0 LOG: good (version 2, revision 3, ${HAS})`);
  await again();
});

test.each<[string, (text: string) => string, string]>([
  [
    "torn",
    (text) => `${text}{"sum`,
    `0 LOG: good (version 2, revision 2, ${HAS})\nbehind octet 496 are 5 more that were being written: nobody was told that they are stored`,
  ],
  [
    "damaged",
    (text) => text.replace('"name":"n"', '"name":"m"'),
    "1 eleven: LOG, line 2, octet 50: it is not what was written; the file is left as it is",
  ],
  [
    "newer",
    (text) => text.replace('"version":2', '"version":9'),
    "1 eleven: LOG, line 1, octet 0: it is of version 9, which a newer release wrote; this one knows versions up to 2; the file is left as it is",
  ],
])("a log that is %s", async (_, damage, expected) => {
  await (await stored("network n overlay 10.0.0.0/24", "container a on n"))();
  writeFileSync(log(), damage(readFileSync(log(), "utf8")));
  expect(eleven("check")).toBe(expected);
});

test.each([
  [["backup"], "usage: eleven state backup FILE"],
  [["restore", "a", "b"], "usage: eleven state restore FILE"],
  [["check", "a", "b"], "usage: eleven state check [FILE]"],
  [["sell"], 'there is no command "state sell"; eleven state --help lists them'],
])("wrong: %j", (words, said) => {
  expect(eleven(...words)).toBe(`2 ${said}`);
});

test("nothing is stored there", () => {
  expect(eleven("check")).toBe("1 eleven: LOG can't be opened: ENOENT");
  expect(eleven("backup", saved)).toBe("1 eleven: LOG can't be opened: ENOENT");
});
