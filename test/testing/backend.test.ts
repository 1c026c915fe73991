/** The suite for backends sees what is wrong with one: each sabotage of the fake fails the cases that are about it. */
import { expect, test } from "vitest";
import type { Taken } from "../../src/lb-programmer/backends/backend.ts";
import { FakeBackend } from "../../src/lb-programmer/backends/fake.ts";
import { EMPTY, type LbOp, type LbState, type LbTarget } from "../../src/lb-programmer/state.ts";
import { type BackendLimits, backendCases } from "../../src/testing/backend.ts";
import { stateText } from "../../src/testing/state-text.ts";
import type { Subject } from "../../src/testing/subject.ts";

const target: LbTarget = { kind: "sandbox", id: "sandbox/c1", sandbox: "c1" };
const other: LbTarget = { kind: "sandbox", id: "sandbox/c2", sandbox: "c2" };

function subject(backend: FakeBackend): Subject {
  return {
    backend,
    target,
    other,
    foreign: { add: async () => {}, text: async () => (backend instanceof Greedy ? backend.others : "theirs") },
    flush: async () => backend.flush(target.id),
    destroy: async () => backend.destroy(target.id),
    close: async () => {},
  };
}

/** Names of the cases that fail, the random one without its counter-example. */
async function failing(backend: () => FakeBackend, limits: BackendLimits = {}): Promise<string[]> {
  const failed: string[] = [];
  const cases = backendCases(async () => subject(backend()), { runs: 5, seed: 1, ...limits });
  for (const { name, run } of cases.filter(({ name }) => !name.startsWith("from empty"))) {
    if (name === WATCHED) continue; // seconds each time
    await run().catch(() => failed.push(name));
  }
  return failed;
}

const WATCHED = "what somebody removed is told to those who watch; our own changes are not";
const WALKED = "any state leads to any other, also when only a part of the steps was done before";
const PAIRS = "each of these after each other";
const BACK = "and back to nothing";
const TWICE = "steps may be done twice";
const CLEAR = "clear leaves nothing, and may be done where there is nothing";
const NOBODY = "nobody has a connection through a server without traffic, nor has it taken any";
const OTHERS = "what others put there is not seen and stays";

class Leaving extends FakeBackend {
  override apply(to: LbTarget, ops: readonly LbOp[], desired: LbState): Promise<void> {
    return super.apply(
      to,
      ops.filter(({ op }) => op !== "snat.remove"),
      desired,
    );
  }
}
class NotClearing extends FakeBackend {
  override async clear(): Promise<void> {}
}
class Busy extends FakeBackend {
  override connections = async () => 1;
}
class OneForAll extends FakeBackend {
  override apply(_: LbTarget, ops: readonly LbOp[], desired: LbState): Promise<void> {
    return super.apply(target, ops, desired);
  }
}
class Believing extends FakeBackend {
  #last: LbState = EMPTY;
  override async apply(to: LbTarget, ops: readonly LbOp[], desired: LbState): Promise<void> {
    await super.apply(to, ops, desired);
    if (to.id === target.id) this.#last = desired;
  }
  override async read(to: LbTarget, keys: readonly string[]): Promise<LbState> {
    const there = await super.read(to, keys);
    return there.servers.length === 0 && to.id === target.id ? { ...there, servers: this.#last.servers } : there;
  }
}
class Greedy extends FakeBackend {
  others = "theirs";
  override async clear(to: LbTarget): Promise<void> {
    await super.clear(to);
    this.others = "";
  }
}
class Forgetful extends FakeBackend {
  override async taken(): Promise<ReadonlyMap<string, Taken>> {
    return new Map();
  }
}
class Plain extends FakeBackend {
  override async probe(): Promise<void> {}
}

test.each<[string, () => FakeBackend, string[]]>([
  ["nothing is wrong with it", () => new FakeBackend(), []],
  ["it takes what others put there", () => new Greedy(), [OTHERS]],
  [
    "a step is left out",
    () => new Leaving(),
    [PAIRS, BACK, TWICE, WALKED, CLEAR, OTHERS, "another namespace stays as it is"],
  ],
  ["clear does nothing", () => new NotClearing(), [CLEAR]],
  ["connections that nobody has", () => new Busy(), [NOBODY]],
  ["what no server has taken", () => new Forgetful(), [NOBODY]],
  ["namespaces are one", () => new OneForAll(), ["another namespace stays as it is"]],
  ["what was written is believed", () => new Believing(), ["what somebody removed is seen as missing, and comes back"]],
  [
    "a namespace that is gone can be worked in",
    () => new Plain(),
    ["a namespace that is gone is an LbError that says so"],
  ],
])("%s", async (_, backend, expected) => {
  expect(await failing(backend)).toEqual(expected);
});

test("a failed walk says where it was, and its seed finds it again", async () => {
  const walk = async (seed?: number) => {
    const cases = backendCases(async () => subject(new Leaving()), {
      runs: 20,
      ...(seed === undefined ? {} : { seed }),
    });
    const error = await cases
      .find(({ name }) => name === WALKED)!
      .run()
      .then(
        () => new Error("it passed"),
        (e: Error) => e,
      );
    return error.message;
  };
  const first = await walk();
  const seed = Number(/^walk \d+ of seed (\d+): /.exec(first)?.[1]);
  expect(first).toMatch(/\nfrom:\n[\s\S]*\nto:\n/);
  expect(await walk(seed)).toBe(first);
});

test("a flush that is not told fails", { timeout: 60_000 }, async () => {
  const deaf = new FakeBackend();
  const cases = backendCases(async () => ({
    ...subject(deaf),
    flush: async () => deaf.flush(target.id, { silently: true }),
  }));
  await expect(cases.find(({ name }) => name === WATCHED)!.run()).rejects.toThrow("a flush was not told");
});

test("states that a backend can't have are not asked of it", async () => {
  const asked: string[] = [];
  class Told extends FakeBackend {
    override apply(to: LbTarget, ops: readonly LbOp[], desired: LbState): Promise<void> {
      asked.push(stateText(desired));
      return super.apply(to, ops, desired);
    }
  }
  const limits = { families: [4], forwarding: ["masquerade"], schedulers: ["rr"], from: ["local"], runs: 20 } as const;
  for (const { run } of backendCases(
    async () => ({ ...subject(new Told()), foreign: { add: async () => {}, text: async () => "" } }),
    limits,
  ))
    await run();
  expect(asked.length).toBeGreaterThan(50);
  expect(asked.join("\n")).not.toMatch(/^server .*(:|direct|arriving|published| (wrr|lc|wlc|sh|mh)\b)/m);
});
