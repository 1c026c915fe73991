/** Sandboxes attached and let go through a data plane that does what the test says. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test, vi } from "vitest";
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
  let problems: string[];
  let found: Map<string, Found | undefined>;
  /** Sandboxes whose attaching or letting go does not end. */
  let stuck: Map<string, () => void>;
  const holds = (id: string) => new Promise<void>((resolve) => stuck.set(id, resolve));
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "eleven-"));
    [log, notices, problems, found, stuck] = [[], [], [], new Map(), new Map()];
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
      onProblem: (id) => problems.push(id),
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

  test("one in this process's own namespace that can't listen stays a problem, is tried again, and goes when it works", async () => {
    let failing = true;
    const attach = async () => {
      if (failing) throw new Error("bind 127.0.0.1:53: EADDRINUSE");
      return [];
    };
    const all = attachments({ plane: { attach, detach: async () => {} } as unknown as DataPlane });
    const { netns: _, ...here } = sandbox("a", "1");
    all.follow("a", here);
    for (let asked = 0; asked < 2; asked++) await expect(all.ready()).rejects.toThrow("EADDRINUSE");
    expect([all.problems.get("a")?.message, all.bound("a")]).toEqual(["bind 127.0.0.1:53: EADDRINUSE", []]);
    failing = false;
    await vi.waitFor(() => expect(all.problems.size).toBe(0), 5_000);
    await all.ready();
    expect([problems, notices, all.bound("nobody")]).toEqual([["a", "a"], [], undefined]);
    await all.close({ restore: true });
  });

  test.skipIf(libcProblem() !== undefined)(
    "refused for another one's sake and then removed, it is in nobody's way",
    async () => {
      symlinkSync("/proc/self/ns/net", join(folder, "one"));
      symlinkSync("/proc/self/ns/net", join(folder, "two"));
      const all = attachments();
      const at = (port: number) => ({ listen: [{ address: "127.0.0.11", port }] });
      all.follow("a", sandbox("a", "one", at(53)));
      all.follow("b", sandbox("b", "two", at(54)));
      await all.ready();
      all.follow("b", sandbox("b", "two", at(53)));
      await all.ready();
      expect(all.problems.get("b")?.message).toMatch(
        /^sandbox a listens on 127.0.0.11 port 53 .* in the same namespace/,
      );
      all.follow("b", undefined);
      all.follow("a", sandbox("a", "one", at(54)));
      await all.ready();
      expect([...all.problems.values()]).toEqual([]);
      all.follow("a", undefined);
      await all.ready();
      const next = attachments();
      next.follow("c", sandbox("c", "one"));
      await next.ready();
      expect([...next.problems.values()]).toEqual([]);
      await Promise.all([all.close({ restore: true }), next.close({ restore: true })]);
      next.leave();
    },
  );

  test.skipIf(libcProblem() !== undefined)("a file that can't be rewritten is tried again, and said once", async () => {
    const file = join(folder, "resolv.conf");
    const state = join(folder, "state");
    writeFileSync(state, "in the way of what is remembered");
    writeFileSync(file, "nameserver 192.0.2.1\n");
    const all = attachments();
    all.follow("a", sandbox("a", "1", { resolvConf: file }));
    await all.ready();
    expect(all.problems.get("a")?.message).toMatch(/is left alone: state directory \S+: can.t be made: EEXIST$/);
    expect(readFileSync(file, "utf8")).toBe("nameserver 192.0.2.1\n");
    rmSync(state);
    await vi.waitFor(() => expect(all.problems.size).toBe(0), 5_000);
    expect(readFileSync(file, "utf8")).toContain("nameserver 127.0.0.11");
    expect([found.get("a")?.upstreams.length, problems, notices.length]).toEqual([1, ["a", "a"], 1]);
    await all.close({ restore: true });
    expect(readFileSync(file, "utf8")).toBe("nameserver 192.0.2.1\n");
  });

  describe.skipIf(libcProblem() !== undefined)("in a namespace that many paths lead to", () => {
    const [own, same, alias] = ["/proc/self/ns/net", "/proc/thread-self/ns/net", `/proc/${process.pid}/ns/net`];
    const at = (id: string, netns: string, source: string): Sandbox => ({
      ...sandbox(id, "1"),
      netns,
      listen: [{ address: "127.0.0.11", port: 53, source: [source] }],
    });

    test("all go by one path; when whose path it was has left, by another's", async () => {
      const balanced: string[] = [];
      const all = attachments({ onAttached: ({ id, netns }) => balanced.push(`${id} ${netns}`) });
      all.follow("a", at("a", own, "10.0.0.1"));
      all.follow("b", at("b", same, "10.0.0.2"));
      all.follow("c", at("c", alias, "10.0.0.3"));
      await all.ready();
      expect(log.filter((l) => l.startsWith("attached"))).toEqual(
        ["a", "b", "c"].map((id) => `attached ${id} in ${own}`),
      );
      expect(balanced).toEqual(["a", "b", "c"].map((id) => `${id} ${own}`));
      log.length = 0;
      all.follow("a", undefined);
      await vi.waitFor(() => expect(log.filter((l) => l.startsWith("attached"))).toHaveLength(2));
      expect(log.filter((l) => l.startsWith("attached"))).toEqual(["b", "c"].map((id) => `attached ${id} in ${same}`));
      await all.close({ restore: true });
    });

    test("two that would listen in the same place are not both attached", async () => {
      const all = attachments();
      all.follow("a", at("a", own, "10.0.0.1"));
      all.follow("b", at("b", same, "10.0.0.1"));
      await all.ready();
      expect(all.problems.get("b")?.message).toBe(
        `sandbox a listens on 127.0.0.11 port 53 for 10.0.0.1 in the same namespace, to which ${own} leads, too, as ${same} does`,
      );
      await all.close({ restore: true });
    });

    test("one that is refused another place to listen in is in there no more", async () => {
      const all = attachments();
      all.follow("a", at("a", own, "10.0.0.1"));
      all.follow("b", at("b", same, "10.0.0.2"));
      await all.ready();
      all.follow("b", at("b", same, "10.0.0.1"));
      await all.ready();
      expect(all.problems.get("b")?.message).toMatch(/^sandbox a listens on 127.0.0.11 port 53 for 10.0.0.1/);
      all.follow("b", undefined);
      all.follow("a", undefined);
      await all.ready();
      expect(readdirSync(join(folder, "state"))).toEqual([]);
      await all.close({ restore: true });
    });

    test("who goes by another path now is waited for at the end", async () => {
      const all = attachments({}, "b");
      all.follow("a", at("a", own, "10.0.0.1"));
      all.follow("b", at("b", same, "10.0.0.2"));
      await vi.waitFor(() => stuck.get("b")!());
      await all.ready();
      stuck.clear();
      all.follow("a", undefined);
      const closed = all.close({ restore: true }).then(() => log.push("closed"));
      for (let i = 0; i < 2; i++) {
        await vi.waitFor(() => stuck.get("b")!());
        stuck.clear();
      }
      await closed;
      expect(log.slice(-2)).toEqual([`attached b in ${same}`, "closed"]);
    });

    test("another who has it is named; it is had once he has left, and had for all of one's own", async () => {
      const [first, second] = [attachments(), attachments()];
      first.follow("a", at("a", own, "10.0.0.1"));
      await first.ready();
      second.follow("b", at("b", same, "10.0.0.2"));
      await second.ready();
      expect(second.problems.get("b")?.message).toBe(
        `process ${process.pid} with the same state directory (${folder}/state) answers in ${same}; there can be one at a time: end that first`,
      );
      await first.close({ restore: true });
      first.leave();
      await vi.waitFor(() => expect(second.problems.size).toBe(0), 5_000);
      expect(notices).toHaveLength(1);
      second.follow("b", undefined);
      await second.ready();
      const third = attachments();
      third.follow("c", at("c", own, "10.0.0.3"));
      await third.ready();
      expect(third.problems.size).toBe(0);
      await third.close({ restore: true });
      third.leave();
      second.leave();
      expect(readdirSync(join(folder, "state"))).toEqual([]);
    });

    test("one that is just ending is waited for, if that is asked for", async () => {
      const [first, second] = [attachments(), attachments({ patience: 10_000 })];
      first.follow("a", at("a", own, "10.0.0.1"));
      await first.ready();
      second.follow("b", at("b", own, "10.0.0.1"));
      const ready = second.ready();
      first.leave();
      await ready;
      expect([second.problems.size, notices]).toEqual([0, []]);
      second.leave();
      for (const all of [first, second]) await all.close({ restore: true });
    });

    test("without a state directory it is answered all the same, and that is said", async () => {
      writeFileSync(join(folder, "state"), "in its way");
      const all = attachments();
      all.follow("a", at("a", own, "10.0.0.1"));
      await all.ready();
      expect([all.problems.size, notices]).toEqual([0, [expect.stringMatching(/would not be noticed$/)]]);
      await all.close({ restore: true });
    });
  });
});
