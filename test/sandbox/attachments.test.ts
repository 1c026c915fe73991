/** Sandboxes attached and let go through a data plane that does what the test says. */
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import type { Found, Sandbox } from "../../src/model/types.ts";
import { libcProblem } from "../../src/os/libc.ts";
import { StateDir } from "../../src/os/state-dir.ts";
import { Attachments, type AttachmentsOptions } from "../../src/sandbox/attachments.ts";
import type { DataPlane, Place } from "../../src/server/data-plane.ts";

const settle = () => new Promise(setImmediate);

describe("attachments", () => {
  let folder: string;
  let log: string[];
  let notices: string[];
  let found: Map<string, Found | undefined>;
  /** Sandboxes whose attaching or letting go does not end. */
  let stuck: Map<string, () => void>;
  const holds = (id: string) => new Promise<void>((resolve) => stuck.set(id, resolve));
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "eleven-"));
    [log, notices, found, stuck] = [[], [], new Map(), new Map()];
  });

  const plane = (slow: ReadonlySet<string>) => ({
    async attach(id: string, _: unknown, { netns }: Place = {}) {
      log.push(`attach ${id}`);
      if (slow.has(id)) await holds(id);
      log.push(`attached ${id} in ${netns}`);
      return [];
    },
    async detach(id: string) {
      log.push(`detach ${id}`);
      if (slow.has(id)) await holds(id);
      log.push(`detached ${id}`);
    },
  });
  const attachments = (more: Partial<AttachmentsOptions> = {}, ...slow: string[]) =>
    new Attachments({
      plane: plane(new Set(slow)) as unknown as DataPlane,
      stateDir: new StateDir(join(folder, "state")),
      onFound: (id, what) => found.set(id, what),
      onAttached: () => {},
      onDetach: async () => {},
      onNotice: (notice) => notices.push(notice),
      ...more,
    });
  const sandbox = (id: string, netns: string, more: Partial<Sandbox> = {}): Sandbox => ({
    id,
    member: { kind: "container", id: "c" },
    listen: [{ address: "127.0.0.11", port: 53 }],
    netns: join(folder, netns),
    ...more,
  });

  test("one that never ends holds up those of its namespace, and nobody else", async () => {
    const all = attachments({}, "slow");
    for (const [id, netns] of [
      ["slow", "1"],
      ["same", "1"],
      ["other", "2"],
    ] as const)
      all.follow(id, sandbox(id, netns));
    await settle();
    expect(log).toEqual(["attach slow", "attach other", `attached other in ${folder}/2`]);
    stuck.get("slow")!();
    await all.ready();
    expect(log.slice(3)).toEqual([`attached slow in ${folder}/1`, "attach same", `attached same in ${folder}/1`]);
    await all.close({ restore: true });
  });

  test("its sockets are closed though what is balanced for it can't be let go", async () => {
    const all = attachments({ onDetach: () => Promise.reject(new Error("no")) });
    all.follow("a", sandbox("a", "1"));
    await all.ready();
    all.follow("a", undefined);
    await all.ready();
    expect([log.at(-1), notices]).toEqual(["detached a", ["sandbox a: no"]]);
    await all.close({ restore: true });
  });

  test("moved twice while it is being attached, it ends where it was wanted last, and only there", async () => {
    const all = attachments({}, "a");
    all.follow("a", sandbox("a", "1"));
    await settle();
    all.follow("a", sandbox("a", "2"));
    all.follow("a", sandbox("a", "3"));
    all.follow("b", sandbox("b", "1"));
    all.follow("c", sandbox("c", "3"));
    for (let i = 0; i < 3; i++) {
      await settle();
      stuck.get("a")!();
    }
    await all.ready();
    expect(log).toEqual([
      "attach a",
      `attached a in ${folder}/1`,
      "detach a",
      "detached a",
      "attach a",
      `attached a in ${folder}/3`,
      "attach b",
      `attached b in ${folder}/1`,
      "attach c",
      `attached c in ${folder}/3`,
    ]);
    await all.close({ restore: true });
  });

  test("where no namespace can be entered, that is the sandbox's problem, and nothing is touched", async () => {
    mkdirSync(join(folder, "root"));
    const file = join(folder, "root", "resolv.conf");
    writeFileSync(file, "nameserver 192.0.2.1\n");
    const all = attachments({ noNamespaces: "koffi can't be loaded: no" });
    all.follow("a", sandbox("a", "1", { resolvConf: file }));
    const { netns: _, ...here } = sandbox("b", "1");
    all.follow("b", here);
    await all.ready();
    expect(all.problems.get("a")?.message).toBe("a network namespace can't be entered here: koffi can't be loaded: no");
    expect(log).toEqual(["attach b", "attached b in undefined"]);
    expect(readFileSync(file, "utf8")).toBe("nameserver 192.0.2.1\n");
    await all.close({ restore: true });
    expect(notices).toEqual([
      "sandbox a is not attached: a network namespace can't be entered here: koffi can't be loaded: no",
    ]);
  });

  test("what goes wrong in a namespace that is there is said once, and tried again", async () => {
    let attached = () => {};
    const until = new Promise<void>((resolve) => {
      attached = resolve;
    });
    const failures = ["nft: ended after 10 s", "nft: ended after 10 s"];
    const attach = async () => {
      const failure = failures.shift();
      if (failure !== undefined) throw new Error(failure);
      return [];
    };
    const all = attachments({
      plane: { attach, detach: async () => {} } as unknown as DataPlane,
      onAttached: () => attached(),
    });
    all.follow("a", { ...sandbox("a", "1"), netns: "/proc/self/ns/net" });
    await all.ready();
    expect(all.problems.get("a")?.message).toBe("nft: ended after 10 s");
    await until;
    await all.ready();
    expect([all.problems.size, notices]).toEqual([0, ["sandbox a is not attached: nft: ended after 10 s"]]);
    await all.close({ restore: true });
  });

  test.skipIf(libcProblem() !== undefined)(
    "a file that may not be rewritten is the sandbox's problem until it has another; it is attached all the same",
    async () => {
      const all = attachments();
      mkdirSync(join(folder, "etc", "resolv.conf"), { recursive: true });
      all.follow("a", sandbox("a", "1", { resolvConf: { root: folder, path: "etc/resolv.conf" } }));
      await all.ready();
      const problem = `${folder}/etc/resolv.conf is left alone: it is no regular file`;
      expect([all.problems.get("a")?.message, notices, log.at(-1)]).toEqual([
        problem,
        [`sandbox a: ${problem}`],
        `attached a in ${folder}/1`,
      ]);
      expect(found.get("a")).toBeUndefined();
      all.follow("a", sandbox("a", "1", { resolvConf: { root: folder, path: "etc/other" } }));
      await all.ready();
      expect([all.problems.size, found.get("a")]).toEqual([0, { upstreams: [], ndots: false }]);
      await all.close({ restore: true });
      expect(log).toHaveLength(2);
    },
  );
});
