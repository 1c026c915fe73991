/**
 * What every backend must do, on the level of states: what is read after a change is what was wanted. Whether connections
 * really go where they should is another suite. Each backend's test calls this with a way to make an empty namespace.
 */
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type LbBackend, LbError } from "../../src/lb-programmer/backends/backend.ts";
import { KernelModel } from "../../src/lb-programmer/backends/kernel-model.ts";
import { diff, normal } from "../../src/lb-programmer/diff.ts";
import { EMPTY, type LbState, type LbTarget } from "../../src/lb-programmer/state.ts";
import { STATES } from "./conformance-states.ts";
import { type Limits, randomState } from "./random-state.ts";
import { parseState, stateText } from "./state-text.ts";

export interface Subject {
  readonly backend: LbBackend;
  /** A target whose namespace holds nothing of ours. */
  readonly target: LbTarget;
  /** A second one, to see that it stays as it is. */
  readonly other?: LbTarget;
  /** Puts rules, addresses and servers of somebody else into the namespace; `text` is what is there of them, to compare. */
  readonly foreign?: { add(): Promise<void>; text(): Promise<string> };
  /** Deletes the namespace of `target`. */
  readonly destroy?: () => Promise<void>;
  /** Removes everything from the namespace behind the backend's back, as `nft flush ruleset` does. */
  readonly flush?: () => Promise<void>;
  readonly close: () => Promise<void>;
}

export interface ConformanceOptions extends Limits {
  /** A sysctl of the namespace that may be set to "1". */
  readonly sysctl?: string;
  /** From each of the listed states to each, or (for a slow kernel) to its neighbours only. Default true. */
  readonly everyPair?: boolean;
  /** Random walks of states: how many (fast-check's numRuns). Default 25. */
  readonly runs?: number;
}

export function backendConformance(name: string, make: () => Promise<Subject>, options: ConformanceOptions = {}): void {
  const device = options.device ?? "lo";
  const sysctl = options.sysctl ?? "net/ipv4/conf/all/route_localnet";
  const six = (options.families ?? [4, 6]).includes(6);
  const froms = options.from ?? ["local", "arriving", "published"];
  const forwarding = options.forwarding ?? ["masquerade", "direct"];
  const states = STATES.map(
    ([what, text]) => [what, parseState(text.replaceAll("$dev", device).replaceAll("$sysctl", sysctl))] as const,
  ).filter(([, { servers, snats }]) => servers.every(able) && snats.every((s) => six || !s.subnet.includes(":")));

  function able({ vip, from, forwarding: way, scheduler }: LbState["servers"][number]): boolean {
    const scheduled = options.schedulers?.includes(scheduler) ?? true;
    return (six || !vip.includes(":")) && froms.includes(from) && forwarding.includes(way) && scheduled;
  }

  let subject: Subject;
  beforeEach(async () => {
    subject = await make();
  });
  afterEach(() => subject.close());

  const read = (target = subject.target, desired: LbState = EMPTY) =>
    subject.backend.read(target, Object.keys(desired.sysctls));

  /** One step as the reconciler does it. */
  async function become(desired: LbState, target = subject.target): Promise<void> {
    const ops = diff(await read(target, desired), desired);
    if (ops.length > 0) await subject.backend.apply(target, ops, desired);
  }

  async function expectState(desired: LbState, target = subject.target): Promise<void> {
    const actual = await read(target, desired);
    expect(stateText(actual)).toBe(stateText(desired));
    expect(normal(actual)).toEqual(normal(desired));
    expect(diff(actual, desired)).toEqual([]);
  }

  describe(`backend: ${name}`, () => {
    test("it says that it can work here, and an untouched namespace holds nothing of ours", async () => {
      await subject.backend.probe(subject.target);
      await expectState(EMPTY);
    });

    test.each(states)("from empty: %s", async (_, state) => {
      await become(state);
      await expectState(state);
    });

    test("each of these after each other", async () => {
      const others = (i: number) => (options.everyPair === false ? [states[i + 1] ?? states[0]!] : states);
      for (const [i, [, from]] of states.entries())
        for (const [, to] of others(i)) {
          await become(from);
          await become(to);
          await expectState(to);
        }
    });

    test("and back to nothing", async () => {
      for (const [, state] of states) await become(state);
      await become(EMPTY);
      await expectState(EMPTY);
    });

    test("steps may be done twice", async () => {
      let before = EMPTY;
      for (const [, state] of states) {
        const ops = diff(before, state);
        await subject.backend.apply(subject.target, ops, state);
        await subject.backend.apply(subject.target, ops, state);
        await expectState(state);
        before = state;
      }
    });

    test("any state leads to any other, also when only a part of the steps was done before", async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(randomState(options), { minLength: 2, maxLength: 5 }),
          fc.nat(),
          async (walk, cut) => {
            await subject.backend.clear(subject.target);
            let before = EMPTY;
            for (const state of walk) {
              const half = halfway(before, state, cut);
              await become(half);
              await expectState(half);
              await become(state);
              await expectState(state);
              before = state;
            }
          },
        ),
        { numRuns: options.runs ?? 25, ...(options.runs === undefined ? { interruptAfterTimeLimit: 60_000 } : {}) },
      );
    });

    test("clear leaves nothing, and may be done where there is nothing", async () => {
      await subject.backend.clear(subject.target);
      for (const [, state] of states) await become(state);
      await subject.backend.clear(subject.target);
      await expectState(EMPTY);
      await subject.backend.clear(subject.target);
    });

    test("nobody has a connection through a server without traffic", async () => {
      const state = states[0]![1];
      await become(state);
      const [server] = state.servers;
      expect(await subject.backend.connections(subject.target, server!, server!.destinations[0]!)).toBe(0);
    });

    test("what others put there is not seen and stays", async ({ skip }) => {
      const { foreign } = subject;
      if (foreign === undefined) return skip("this backend's namespaces have nothing of others");
      await foreign.add();
      const text = await foreign.text();
      await expectState(EMPTY);
      for (const [, state] of states) {
        await become(state);
        await expectState(state);
        expect(await foreign.text()).toBe(text);
      }
      await subject.backend.clear(subject.target);
      expect(await foreign.text()).toBe(text);
    });

    test("another namespace stays as it is", async ({ skip }) => {
      const { other } = subject;
      if (other === undefined) return skip("there is one namespace only");
      const [, state] = states[0]!;
      await become(state, other);
      for (const [, here] of states) await become(here);
      await expectState(state, other);
      await subject.backend.clear(subject.target);
      await expectState(state, other);
    });

    test("what somebody removed is seen as missing, and comes back", async ({ skip }) => {
      if (subject.flush === undefined) return skip("nobody can");
      for (const [, state] of states.slice(0, 4)) {
        await become(state);
        await subject.flush();
        expect((await read()).servers).toEqual([]);
        await become(state);
        await expectState(state);
      }
    });

    test("what somebody removed is told to those who watch; our own changes are not", async ({ skip }) => {
      const { backend, target, flush } = subject;
      if (flush === undefined || backend.watch === undefined) return skip("nobody can");
      let told = 0;
      const stop = backend.watch(target, () => told++);
      try {
        await become(states[1]![1]);
        await become(states[0]![1]);
        await quiet(() => told);
        const before = told;
        await become(states[2]![1]);
        await become(states[0]![1]);
        await quiet(() => told);
        expect(told).toBe(before);
        await flush();
        await vi.waitFor(() => expect(told).toBeGreaterThan(before), { timeout: 5_000, interval: 20 });
      } finally {
        stop();
      }
    });

    test("a namespace that is gone is an LbError that says so", async ({ skip }) => {
      if (subject.destroy === undefined) return skip("it can't go away");
      const [, state] = states[0]!;
      await become(state);
      await subject.destroy();
      for (const call of [
        () => read(),
        () => subject.backend.apply(subject.target, diff(EMPTY, state), state),
        () => subject.backend.probe(subject.target),
      ]) {
        const error: unknown = await call().then(
          () => undefined,
          (e) => e,
        );
        expect(error).toBeInstanceOf(LbError);
        expect(error).toMatchObject({ code: "gone", target: subject.target.id });
      }
      await subject.backend.clear(subject.target); // nothing is left to clear: that is no error
    });
  });
}

/** Until nothing was told for longer than any backend takes to tell. */
async function quiet(told: () => number): Promise<void> {
  let [last, since] = [told(), performance.now()];
  const still = () => {
    if (told() !== last) [last, since] = [told(), performance.now()];
    expect(performance.now() - since).toBeGreaterThan(1_500);
  };
  await vi.waitFor(still, { timeout: 30_000, interval: 20 });
}

/** The state after some of the steps between two states. */
function halfway(before: LbState, state: LbState, cut: number): LbState {
  const memory = new KernelModel(before);
  const ops = diff(before, state);
  for (const op of ops.slice(0, cut % (ops.length + 1))) memory.do(op);
  return memory.state();
}
