/**
 * Keeps one namespace equal to its plan, in passes:
 *
 *   read (at the start, after a failure, to look for drift) -> plan -> what must stay yet -> diff -> apply
 *
 * What a pass leaves behind is known without reading, which is what makes a small change to a large namespace quick.
 */

import { LbError } from "../backends/backend.ts";
import { Timers } from "../clock.ts";
import { diff } from "../diff.ts";
import { type Destination, EMPTY, type LbState, type LbTarget, type VirtualServer } from "../state.ts";
import { Leaving, type Permit } from "./leaving.ts";
import { Loop } from "./loop.ts";
import { Pace } from "./pace.ts";
import type { Shared } from "./shared.ts";

/** Seconds that tasks of servers without a time of their own have. */
const DRAIN = 10;

/** Milliseconds: what is slow in a container's namespace, and for how long that is held against it. */
const SLOW = { now: 1_000, from: 3_000, lately: 300_000 };

/** Milliseconds of one pass that may be spent on asking for the connections of tasks that drain. */
const ASKING = 50;

const NEVER = Number.POSITIVE_INFINITY;

export class Keeper {
  target: LbTarget;
  state: "equal" | "working" | "degraded" = "working";
  reason: string | undefined;
  /** Revision of the newest plan whose additions are in the kernel; -1: none. */
  installed = -1;
  readonly #shared: Shared;
  readonly #loop: Loop;
  readonly #timers: Timers;
  readonly #leaving = new Leaving();
  /** What the kernel holds: as read, or as the last pass left it. Undefined after a failure. */
  #actual: LbState | undefined;
  #desired: LbState = EMPTY;
  #stale = true;
  /** Sysctls that `#actual` says something about. */
  #keys: readonly string[] = [];
  /** Lowest revision that was asked for and that no pass has covered yet; and the one that the pass at work covers. */
  #pending = NEVER;
  #covering = NEVER;
  /** Servers were taken away in the pass at work. */
  #removed = false;
  #unwatch: (() => void) | undefined;
  readonly #pace: Pace;
  #slowUntil = Number.NEGATIVE_INFINITY;
  /** When the pass at work began. */
  #started = NEVER;

  /** `first` is awaited before anything is done: what a keeper of the same namespace still does. */
  constructor(target: LbTarget, shared: Shared, first: Promise<unknown> | undefined) {
    this.target = target;
    this.#shared = shared;
    this.#timers = new Timers(shared.clock);
    const { clock, intervals } = shared;
    const limit = () => (this.slow ? shared.slow : shared.limit);
    this.#pace = new Pace(clock, intervals);
    let begun = first;
    const work = async () => {
      await begun;
      begun = undefined;
      this.#started = clock.now();
      return this.#pass().finally(() => this.#ended());
    };
    const failed = (error: unknown) => this.#failed(error);
    const ended = () => {
      shared.ended(this.#removed);
      this.#removed = false;
    };
    this.#loop = new Loop({ clock, limit, min: intervals.min, retry: intervals.retry, work, failed, ended });
  }

  /** A container's namespace in which work took long, lately, or does now. */
  get slow(): boolean {
    const now = this.#shared.clock.now();
    return !isOwn(this.target) && (now < this.#slowUntil || now - this.#started > SLOW.now);
  }

  get busy(): boolean {
    return this.#loop.busy;
  }

  /** Entries in the kernel that are not in the plan: they drain, or wait to be released. */
  get leaving(): number {
    return this.#leaving.size;
  }

  /** The same target, elsewhere or with other properties. */
  move(target: LbTarget): void {
    this.target = target;
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.distrust();
  }

  /** The plan of this revision must be in the kernel. */
  request(revision: number): void {
    this.#pending = Math.min(this.#pending, revision);
    if (this.state === "equal") this.#tell("working");
    this.#loop.wake();
  }

  /** A pass, if there is something that it may remove by now. */
  release(released: number): void {
    if (this.#loop.busy || this.#leaving.waitsFor(released)) this.#loop.wake();
  }

  /** Nothing is believed of what the kernel holds. */
  distrust(): void {
    this.#stale = true;
    this.#loop.wake();
  }

  /** Another pass, without a reason of its own. */
  wake(): void {
    this.#loop.wake();
  }

  /** Additions up to this revision are in the kernel, or can't be for now. */
  settled(revision: number): boolean {
    if (Math.min(this.#pending, this.#covering) > revision) return true;
    return this.state === "degraded" && !this.#loop.busy;
  }

  /** Adds the keys of servers that are there or wanted; false if it is not known which are. */
  keys(into: Set<string>): boolean {
    for (const { key } of this.#desired.servers) into.add(key);
    for (const { key } of this.#actual?.servers ?? []) into.add(key);
    return this.#actual !== undefined;
  }

  /** No more passes; resolves when the one at work has ended. What is in the kernel stays. */
  async stop(): Promise<void> {
    await this.#loop.stop(); // the pass at work may be its first, which begins to watch
    this.#timers.cancelAll();
    this.#unwatch?.();
    this.#unwatch = undefined;
  }

  async #pass(): Promise<number | undefined> {
    const repairs = this.#stale ? await this.#read() : 0;
    if (!this.#shared.gate.pass(this.target.id)) return undefined; // it wakes us
    const revision = this.#shared.revision();
    const permit = { revision: this.#shared.planned(), released: this.#shared.released() };
    this.#covering = this.#pending;
    this.#pending = NEVER;
    const desired = await this.#plan();
    const actual = this.#actual ?? EMPTY;
    const staged = await this.#stage(actual, desired, permit);
    const ops = diff(actual, staged);
    this.#removed ||= ops.some((op) => op.op === "server.remove");
    if (ops.length > 0) await this.#shared.backend.apply(this.target, ops, staged);
    this.#actual = staged;
    this.#covering = NEVER;
    this.installed = revision;
    if (repairs > 0) this.#shared.repaired(this.target.id, repairs);
    const again = this.#drainAgain(staged, desired, permit);
    this.#tell(this.#pending === NEVER ? "equal" : "working");
    return again;
  }

  /** Looks what is there; how many steps it is away from what should be. */
  async #read(): Promise<number> {
    const { backend, marks, intervals } = this.#shared;
    const known = this.#actual;
    this.#stale = false;
    if (this.#unwatch === undefined) {
      await backend.probe(this.target);
      this.#unwatch = backend.watch?.(this.target, () => this.#check()) ?? (() => {});
    }
    this.#actual = await backend.read(this.target, this.#keys);
    this.#leaving.note(this.#actual, this.#shared.clock.now());
    if (isOwn(this.target)) marks?.adopt(this.#actual.servers);
    this.#timers.set("drift", intervals.drift, () => this.distrust());
    return known === undefined ? 0 : diff(this.#actual, known).length;
  }

  /** Many words in a row are one look. Our own changes are seen, too, by backends that can't tell. */
  #check(): void {
    if (!this.#timers.has("check")) this.#timers.set("check", this.#pace.next(), () => this.distrust());
  }

  #ended(): void {
    const now = this.#shared.clock.now();
    if (now - this.#started > SLOW.from) this.#slowUntil = now + SLOW.lately;
    this.#started = NEVER;
  }

  async #plan(): Promise<LbState> {
    const { plan, backend } = this.#shared;
    const desired = plan(this.target);
    this.#desired = desired;
    const keys = Object.keys(desired.sysctls);
    if (keys.some((key) => !this.#keys.includes(key))) {
      this.#keys = keys; // only the plan knows which sysctls a namespace needs; where nothing is, they are just set
      if (this.#actual?.servers.length) this.#actual = await backend.read(this.target, keys);
    }
    return desired;
  }

  /** Tasks that leave are asked for their connections once they get no new ones. */
  async #stage(actual: LbState, desired: LbState, permit: Omit<Permit, "drained">): Promise<LbState> {
    const { backend } = this.#shared;
    const asked: (readonly [VirtualServer, Destination])[] = [];
    const staged = this.#leaving.stage(actual, desired, {
      ...permit,
      drained: (server, destination) => {
        if (this.#timeLeft(server, destination) <= 0) return true;
        if (this.#leaving.idleSince(server, destination) !== undefined) asked.push([server, destination]);
        return false;
      },
    });
    if (asked.length === 0) return staged;
    const done = new Set<Destination>();
    const until = this.#shared.clock.now() + ASKING;
    for (const [server, destination] of asked) {
      if (this.#shared.clock.now() > until) break; // whoever is not asked for has its full time
      const open = await backend.connections(this.target, server, destination).catch(unlessGone);
      if (open === 0) done.add(destination);
    }
    const drained = (server: VirtualServer, d: Destination) => done.has(d) || this.#timeLeft(server, d) <= 0;
    return this.#leaving.stage(actual, desired, { ...permit, drained });
  }

  /** Milliseconds that a task still has for its connections. */
  #timeLeft(server: VirtualServer, destination: Destination): number {
    const now = this.#shared.clock.now();
    const since = this.#leaving.idleSince(server, destination) ?? now;
    return since + (server.drain ?? DRAIN) * 1000 - now;
  }

  /** Milliseconds until the tasks that drain should be looked at again: at once where they have just begun to. */
  #drainAgain(actual: LbState, desired: LbState, permit: Omit<Permit, "drained">): number | undefined {
    let again = NEVER;
    const drained = (server: VirtualServer, d: Destination) => {
      const wait = this.#leaving.idleSince(server, d) === undefined ? 0 : this.#shared.intervals.drain;
      again = Math.min(again, wait, this.#timeLeft(server, d));
      return false;
    };
    this.#leaving.stage(actual, desired, { ...permit, drained });
    this.#leaving.note(actual, this.#shared.clock.now());
    return again === NEVER ? undefined : again;
  }

  #failed(error: unknown): void {
    this.#pending = Math.min(this.#pending, this.#covering);
    this.#covering = NEVER;
    this.#actual = undefined;
    this.#stale = true;
    this.#shared.gate.pass(this.target.id);
    const gone = error instanceof LbError && error.code === "gone";
    if (gone && this.target.kind === "sandbox") this.#shared.gone(this.target.id, this, error);
    else this.#tell("degraded", error instanceof Error ? error.message : String(error));
  }

  #tell(state: Keeper["state"], reason?: string): void {
    if (state === this.state && reason === this.reason) return;
    this.state = state;
    this.reason = reason;
    this.#shared.changed(this.target.id);
  }
}

/** One of the host's own namespaces: no container writes to it. */
export const isOwn = ({ kind }: LbTarget): boolean => kind !== "sandbox";

/** A task whose connections can't be counted has its full time. */
function unlessGone(error: unknown): number {
  if (error instanceof LbError && error.code === "gone") throw error;
  return NEVER;
}
