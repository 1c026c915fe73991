/**
 * What every backend must do, on the level of states: what is read after a change is what was wanted. Whether connections
 * really go where they should, no state tells. A backend's tests call this with a way to make an empty namespace.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { LbError } from "../lb-programmer/backends/backend.ts";
import { diff } from "../lb-programmer/diff.ts";
import { EMPTY, type LbState } from "../lb-programmer/state.ts";
import { STATES } from "./backend-states.ts";
import { type Case, eventually } from "./case.ts";
import type { Limits } from "./random-state.ts";
import { randomWalks } from "./random-walks.ts";
import { parseState } from "./state-text.ts";
import { become, expectState, type Subject } from "./subject.ts";

export interface BackendLimits extends Limits {
  /** A sysctl of the namespace that may be set to "1". Default: net/ipv4/conf/all/route_localnet. */
  readonly sysctl?: string;
  /** From each of the listed states to each, or (for a slow kernel) to its neighbours only. Default true. */
  readonly everyPair?: boolean;
  /** Random walks from state to state: how many. Default: 25, or as many as a minute has room for. */
  readonly runs?: number;
  /** Of the random walks. A failure says which it was; given, the same ones are walked again. Default: another one each time. */
  readonly seed?: number;
}

/** `make`: another subject for each case, with namespaces of its own. Cases that need what it does not have say so and pass. */
export function backendCases(make: () => Promise<Subject>, limits: BackendLimits = {}): readonly Case[] {
  const named = possibleStates(limits);
  const states = named.map(([, state]) => state);
  const always: Record<string, (subject: Subject) => Promise<void>> = {
    "it says that it can work here, and an untouched namespace holds nothing of ours": untouched,
    ...Object.fromEntries(
      named.map(([what, state]) => [`from empty: ${what}`, (subject: Subject) => arrive(subject, state)]),
    ),
    "each of these after each other": (subject) => eachAfterEach(subject, states, limits),
    "and back to nothing": (subject) => backToNothing(subject, states),
    "steps may be done twice": (subject) => twice(subject, states),
    "any state leads to any other, also when only a part of the steps was done before": (subject) =>
      randomWalks(subject, limits),
    "clear leaves nothing, and may be done where there is nothing": (subject) => cleared(subject, states),
    "nobody has a connection through a server without traffic, nor has it taken any": (subject) =>
      noConnections(subject, states),
  };
  const ifPossible: Record<string, (subject: Subject) => Promise<string | undefined>> = {
    "what others put there is not seen and stays": (subject) => othersStay(subject, states),
    "another namespace stays as it is": (subject) => elsewhere(subject, states),
    "what somebody removed is seen as missing, and comes back": (subject) => comesBack(subject, states),
    "what somebody removed is told to those who watch; our own changes are not": (subject) => told(subject, states),
    "a namespace that is gone is an LbError that says so": (subject) => gone(subject, states),
  };
  return [
    ...Object.entries(always).map(([name, work]) => ({
      name,
      run: () => withSubject(make, async (subject) => void (await work(subject))),
    })),
    ...Object.entries(ifPossible).map(([name, work]) => ({ name, run: () => withSubject(make, work) })),
  ];
}

async function withSubject<T>(make: () => Promise<Subject>, work: (subject: Subject) => Promise<T>): Promise<T> {
  const subject = await make();
  try {
    return await work(subject);
  } finally {
    await subject.close();
  }
}

/** The listed states, without those that need what this backend does not do. */
function possibleStates(limits: BackendLimits): readonly (readonly [string, LbState])[] {
  const { device = "lo", sysctl = "net/ipv4/conf/all/route_localnet", families = [4, 6] } = limits;
  const six = families.includes(6);
  const able = ({ vip, from, forwarding, scheduler }: LbState["servers"][number]) =>
    (six || !vip.includes(":")) &&
    (limits.from?.includes(from) ?? true) &&
    (limits.forwarding?.includes(forwarding) ?? true) &&
    (limits.schedulers?.includes(scheduler) ?? true);
  return STATES.map(
    ([what, text]) => [what, parseState(text.replaceAll("$dev", device).replaceAll("$sysctl", sysctl))] as const,
  ).filter(([, { servers, snats }]) => servers.every(able) && snats.every((s) => six || !s.subnet.includes(":")));
}

async function untouched(subject: Subject): Promise<void> {
  await subject.backend.probe(subject.target);
  await expectState(subject, EMPTY);
}

async function arrive(subject: Subject, state: LbState): Promise<void> {
  await become(subject, state);
  await expectState(subject, state);
}

async function eachAfterEach(subject: Subject, states: readonly LbState[], limits: BackendLimits): Promise<void> {
  for (const [i, from] of states.entries())
    for (const to of limits.everyPair === false ? [states[i + 1] ?? states[0]!] : states) {
      await become(subject, from);
      await arrive(subject, to);
    }
}

async function backToNothing(subject: Subject, states: readonly LbState[]): Promise<void> {
  for (const state of states) await become(subject, state);
  await arrive(subject, EMPTY);
}

async function twice(subject: Subject, states: readonly LbState[]): Promise<void> {
  const { backend, target } = subject;
  let before = EMPTY;
  for (const state of states) {
    const ops = diff(before, state);
    await backend.apply(target, ops, state);
    await backend.apply(target, ops, state);
    await expectState(subject, state);
    before = state;
  }
}

async function cleared(subject: Subject, states: readonly LbState[]): Promise<void> {
  const { backend, target } = subject;
  await backend.clear(target);
  for (const state of states) await become(subject, state);
  await backend.clear(target);
  await expectState(subject, EMPTY);
  await backend.clear(target);
}

async function noConnections(subject: Subject, states: readonly LbState[]): Promise<void> {
  const state = states[0]!;
  await become(subject, state);
  const [server] = state.servers;
  equal(await subject.backend.connections(subject.target, server!, server!.destinations[0]!), 0);
  const taken = await subject.backend.taken?.(subject.target);
  const nothing = { connections: 0, packets: 0, bytes: 0 };
  if (taken) deepEqual(taken, new Map(state.servers.map(({ key }) => [key, nothing])));
}

async function othersStay(subject: Subject, states: readonly LbState[]): Promise<string | undefined> {
  const { foreign, backend, target } = subject;
  if (foreign === undefined) return "this backend's namespaces have nothing of others";
  await foreign.add();
  const text = await foreign.text();
  await expectState(subject, EMPTY);
  for (const state of states) {
    await arrive(subject, state);
    equal(await foreign.text(), text);
  }
  await backend.clear(target);
  equal(await foreign.text(), text);
  return undefined;
}

async function elsewhere(subject: Subject, states: readonly LbState[]): Promise<string | undefined> {
  const { other, backend, target } = subject;
  if (other === undefined) return "there is one namespace only";
  const there = { ...subject, target: other };
  const state = states[0]!;
  await become(there, state);
  for (const here of states) await become(subject, here);
  await expectState(there, state);
  await backend.clear(target);
  await expectState(there, state);
  return undefined;
}

async function comesBack(subject: Subject, states: readonly LbState[]): Promise<string | undefined> {
  const { backend, target, flush } = subject;
  if (flush === undefined) return "nobody can";
  for (const state of states.slice(0, 4)) {
    await become(subject, state);
    await flush();
    deepEqual((await backend.read(target, [])).servers, []);
    await arrive(subject, state);
  }
  return undefined;
}

async function told(subject: Subject, states: readonly LbState[]): Promise<string | undefined> {
  const { backend, target, flush } = subject;
  if (flush === undefined || backend.watch === undefined) return "nobody can";
  let times = 0;
  const stop = backend.watch(target, () => times++);
  try {
    for (const state of [states[1]!, states[0]!]) await become(subject, state);
    await quiet(() => times);
    const before = times;
    for (const state of [states[2]!, states[0]!]) await become(subject, state);
    await quiet(() => times);
    equal(times, before, "our own changes were told");
    await flush();
    await eventually(() => ok(times > before, "a flush was not told"), 15_000);
  } finally {
    stop();
  }
  return undefined;
}

/** Until nothing was told for longer than any backend takes to tell. */
async function quiet(times: () => number): Promise<void> {
  let [last, since] = [times(), performance.now()];
  const still = () => {
    if (times() !== last) [last, since] = [times(), performance.now()];
    ok(performance.now() - since > 1_500, "it goes on telling that something has changed");
  };
  await eventually(still, 30_000);
}

async function gone(subject: Subject, states: readonly LbState[]): Promise<string | undefined> {
  const { backend, target, destroy } = subject;
  if (destroy === undefined) return "it can't go away";
  const state = states[0]!;
  await become(subject, state);
  await destroy();
  for (const call of [
    () => backend.read(target, []),
    () => backend.apply(target, diff(EMPTY, state), state),
    () => backend.probe(target),
  ]) {
    const error = await call().then(
      () => undefined,
      (e: unknown) => e,
    );
    ok(error instanceof LbError, `an LbError was expected, not ${error}`);
    deepEqual([error.code, error.target], ["gone", target.id]);
  }
  await backend.clear(target); // nothing is left to clear: that is no error
  return undefined;
}
