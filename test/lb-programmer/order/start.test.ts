/** Where a backend is looked for: what a container's namespace refuses says nothing about the others. */
import { expect, test } from "vitest";
import { LbError } from "../../../src/lb-programmer/backends/backend.ts";
import { FakeBackend } from "../../../src/lb-programmer/backends/fake.ts";
import { Start } from "../../../src/lb-programmer/order/start.ts";
import type { LbTarget } from "../../../src/lb-programmer/state.ts";

const sandbox = (name: string): LbTarget => ({ kind: "sandbox", id: name, sandbox: name, netns: `/${name}` });
const HOST: LbTarget = { kind: "host", id: "host", bridge: "gw" };
const many = (count: number) => Array.from({ length: count }, (_, i) => `s${i}`);

/** Targets, what they say to who looks there ("ok" if it is not among these), and who is asked in the first two tries. */
test.each<[what: string, targets: readonly string[], says: Record<string, string>, asked: readonly string[]]>([
  ["the first is taken", ["s0", "s1"], {}, ["s0"]],
  ["one that is gone is passed over", ["s0", "s1"], { s0: "gone" }, ["s0 s1"]],
  ["a sandbox that refuses is passed over", ["s0", "s1", "s2"], { s0: "missing", s1: "failed" }, ["s0 s1 s2"]],
  ["the node's own come first", ["s0", "host"], {}, ["host"]],
  ["and what they refuse is so everywhere", ["s0", "host"], { host: "missing" }, ["host", "host"]],
  ["its own is not there yet", ["s0", "host"], { host: "gone" }, ["host s0"]],
  [
    "eight that refuse are enough for once, and next time the others come before them",
    many(10),
    Object.fromEntries(many(9).map((name) => [name, "missing"])),
    ["s0 s1 s2 s3 s4 s5 s6 s7", "s8 s9"],
  ],
  [
    "all refuse: each has its turn",
    many(12),
    Object.fromEntries(many(12).map((name) => [name, "missing"])),
    ["s0 s1 s2 s3 s4 s5 s6 s7", "s8 s9 s10 s11 s0 s1 s2 s3"],
  ],
])("%s", async (_, targets, says, asked) => {
  const tries: string[] = [];
  let now: string[] = [];
  let found = false;
  const start = new Start({
    choose: async (target) => {
      now.push(target.id);
      const code = says[target.id];
      if (code !== undefined) throw new LbError(code as LbError["code"], target, "refused");
      return { backend: new FakeBackend() };
    },
    targets: () => targets.map((name) => (name === "host" ? HOST : sandbox(name))),
    found: () => {
      found = true;
    },
    onProblem: () => {},
  });
  for (let i = 0; i < 2 && !found; i++) {
    start.again();
    await new Promise(setImmediate);
    tries.push(now.join(" "));
    now = [];
  }
  await start.close();
  expect(tries).toEqual(asked);
});
