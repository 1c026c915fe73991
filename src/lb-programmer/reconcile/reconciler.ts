/**
 * Keeps the kernel equal to the plans of all targets, whatever happens to either: level-triggered, each target on its own.
 * A change of the registry goes
 *
 *   request(ids, revision) -> await installed(revision) -> names are changed -> release(revision)
 *
 * so that a name never leads to where nothing is yet, and nothing goes that a name still leads to.
 */
import { EventEmitter } from "eventemitter3";
import type { LbError } from "../backends/backend.ts";
import { type Clock, systemClock, Timers } from "../clock.ts";
import type { LbTarget, VirtualServer } from "../state.ts";
import { Gate } from "./gate.ts";
import { isOwn, Keeper } from "./keeper.ts";
import type { Intervals, KeeperOptions } from "./keeper-options.ts";
import { Limit } from "./limit.ts";
import type {
  Installed,
  InstalledOptions,
  Kept,
  ReconcilerEvents,
  ReconcilerOptions,
  TargetStatus,
} from "./reconciler-options.ts";

const INTERVALS: Intervals = { min: 0, retry: [200, 30_000], drift: 30_000, check: 250, drain: 1_000 };

/** Slow targets that are worked on at a time. */
const SLOW = 2;

export const createReconciler = (options: ReconcilerOptions): Reconciler => new Reconciler(options);

export class Reconciler extends EventEmitter<ReconcilerEvents> {
  readonly #options: ReconcilerOptions;
  readonly #clock: Clock;
  readonly #keeping: KeeperOptions;
  readonly #keepers = new Map<string, Keeper>();
  /** Removals at work, by target: who comes back waits for them. */
  readonly #removing = new Map<string, Promise<void>>();
  /** Not the limits of passes: a pass may wait for such a removal. */
  readonly #clearing: { readonly others: Limit; readonly slow: Limit };
  #paused = Promise.resolve();
  readonly #waiting = new Set<() => void>();
  #revision = 0;
  #released = -1;
  #marksToFree = false;

  constructor(options: ReconcilerOptions) {
    super();
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const { concurrency = 8 } = options;
    this.#clearing = { others: new Limit(concurrency), slow: new Limit(SLOW) };
    this.#keeping = {
      backend: options.backend,
      plan: options.plan,
      reserve: options.reserve ?? ((_, planned) => planned),
      marks: options.marks,
      clock: this.#clock,
      limit: new Limit(concurrency),
      slowLimit: new Limit(SLOW),
      intervals: { ...INTERVALS, ...options.intervals },
      gate: new Gate(this.#clock, (id) => this.#keepers.get(id)?.wake()),
      requested: () => this.#revision,
      planned: () => Math.max(this.#revision, options.revision?.() ?? 0),
      released: () => this.#released,
      changed: (id) => this.#changed(id),
      ended: (removed) => this.#ended(removed),
      repaired: (id, steps) => this.#say("repaired", id, steps),
      gone: (id, keeper, error) => this.#gone(id, keeper, error),
    };
  }

  /**
   * From now on the target is kept. One that is there already may have changed in everything but its id; where it was before if its
   * namespace is another one now, everything stays.
   */
  add(target: LbTarget): void {
    const { id } = target;
    const there = this.#keepers.get(id);
    if (there !== undefined && there.target.netns === target.netns) {
      if (JSON.stringify(there.target) === JSON.stringify(target)) return;
      there.change(target);
      there.request(this.#revision);
      return;
    }
    // In another namespace nothing holds that is known of this one, so there it is another keeper's.
    const before = there === undefined ? this.#removing.get(id) : this.#drop(id)?.stop();
    const keeper = new Keeper(target, this.#keeping, before);
    this.#keepers.set(id, keeper);
    if (isOwn(target)) this.#keeping.gate.enter(id);
    keeper.request(this.#revision);
  }

  /** Ends keeping it, and removes everything of ours from its namespace. Rejects with the LbError if that fails. */
  async remove(target: LbTarget | string): Promise<void> {
    const id = typeof target === "string" ? target : target.id;
    const keeper = this.#drop(id);
    if (keeper === undefined) return this.#removing.get(id);
    const clear = async (): Promise<void> => {
      await this.#pause();
      await this.#options.backend.clear(keeper.target);
    };
    const done = keeper.stop().then(() => this.#clearing[keeper.slow ? "slow" : "others"].run(clear));
    const removing = done
      .catch(() => {}) // it is the caller who is told
      .then(() => void (this.#removing.get(id) === removing && this.#removing.delete(id)));
    this.#removing.set(id, removing);
    this.#look();
    return done;
  }

  /** The plans of these targets (missing: all) are other ones since this revision. */
  request(ids: Iterable<string> | undefined, revision: number): void {
    this.#revision = Math.max(this.#revision, revision);
    for (const id of ids ?? this.#keepers.keys()) this.#keepers.get(id)?.request(revision);
  }

  /** Nothing leads any more to what left the plans up to this revision: it may go. */
  release(revision: number): void {
    if (revision <= this.#released) return;
    this.#released = revision;
    for (const keeper of this.#keepers.values()) keeper.release(revision);
  }

  /**
   * Resolves when everything that was requested up to this revision is in the kernel, but for targets that fail, or when
   * `timeout` (milliseconds, default 5 000) is over. What leaves may still be there. `slow: false`: containers' namespaces that
   * were slow lately are not waited for. `patient`: the time is over only when it passes without that one of the others is done.
   */
  installed(
    revision: number,
    { timeout = 5_000, slow = true, patient = false }: InstalledOptions = {},
  ): Promise<Installed> {
    const atWork = (keeper: Keeper): boolean => !keeper.settled(revision) && (slow || !keeper.slow);
    if (!this.#any(atWork)) return Promise.resolve({ degraded: this.#degraded(), late: [] });
    return new Promise((resolve) => {
      const timers = new Timers(this.#clock);
      const unsettled = () => [...this.#keepers].filter(([, keeper]) => atWork(keeper));
      const done = (late: readonly (readonly [string, Keeper])[]): void => {
        timers.cancelAll();
        this.#waiting.delete(look);
        resolve({ degraded: this.#degraded(), late: late.map(([id, keeper]) => this.#status(id, keeper)) });
      };
      let last: Keeper | undefined; // of those at work: where there are hundreds, the others end before it, one by one
      const look = (): void => {
        if (last !== undefined && this.#keepers.get(last.target.id) === last && atWork(last)) return;
        last = undefined;
        for (const keeper of this.#keepers.values()) if (atWork(keeper)) last = keeper;
        if (last === undefined) done([]);
      };
      const quickOnes = () => unsettled().flatMap(([, keeper]) => (keeper.slow ? [] : keeper));
      let awaited = patient ? quickOnes() : []; // never more: who goes on failing, and trying, is done once
      const over = (): void => {
        const before = awaited.length;
        const left = new Set(quickOnes());
        awaited = awaited.filter((keeper) => left.has(keeper));
        if (awaited.length === 0 || awaited.length === before) done(unsettled());
        else timers.set("timeout", timeout, over);
      };
      look();
      this.#waiting.add(look);
      timers.set("timeout", timeout, over);
    });
  }

  status(): TargetStatus[] {
    return [...this.#keepers].map(([id, keeper]) => this.#status(id, keeper));
  }

  /** What is kept, as its last pass left it. */
  kept(): Kept[] {
    return [...this.#keepers].map(([id, { target, there, busy }]) => ({
      ...{ target, there, busy },
      status: this.#status(id, this.#keepers.get(id)!),
    }));
  }

  /** Looks at the kernel now, without waiting for the next time. */
  check(ids: Iterable<string> = this.#keepers.keys()): void {
    for (const id of ids) this.#keepers.get(id)?.distrust();
  }

  /** Stops, and leaves everything as it is in the kernel. Who still waits for `installed` is answered. */
  async close(): Promise<void> {
    const keepers = [...this.#keepers.keys()].map((id) => this.#drop(id)!);
    this.#keeping.gate.close();
    await Promise.all([...keepers.map((keeper) => keeper.stop()), ...this.#removing.values()]);
    this.#look();
  }

  /** A turn of the event loop for everyone else, each time: to clear a namespace reads all that it holds. */
  #pause(): Promise<void> {
    this.#paused = this.#paused.then(() => new Promise((go) => setImmediate(go)));
    return this.#paused;
  }

  #any(is: (keeper: Keeper) => boolean): boolean {
    for (const keeper of this.#keepers.values()) if (is(keeper)) return true;
    return false;
  }

  #degraded(): TargetStatus[] {
    const degraded = [...this.#keepers].filter(([, keeper]) => keeper.state === "degraded");
    return degraded.map(([id, keeper]) => this.#status(id, keeper));
  }

  #status(id: string, keeper: Keeper): TargetStatus {
    const { state, reason, leaving } = keeper;
    const revision = state === "equal" ? this.#revision : keeper.installed;
    return { target: id, revision, state, ...(reason !== undefined && { reason }), leaving };
  }

  #drop(id: string): Keeper | undefined {
    const keeper = this.#keepers.get(id);
    this.#keepers.delete(id);
    this.#keeping.gate.leave(id);
    return keeper;
  }

  #changed(id: string): void {
    const keeper = this.#keepers.get(id);
    if (keeper !== undefined) this.#say("status", this.#status(id, keeper));
  }

  #gone(id: string, its: object, error: LbError): void {
    const keeper = this.#keepers.get(id);
    if (keeper === undefined || keeper !== its) return;
    void this.#drop(id)?.stop();
    this.#options.backend.forget?.(keeper.target);
    this.#say("gone", id, error);
    this.#look();
  }

  /** A listener that throws is nothing that this node's kernel, or its process, should suffer from. */
  #say<E extends keyof ReconcilerEvents>(event: E, ...said: EventEmitter.EventArgs<ReconcilerEvents, E>): void {
    try {
      this.emit(event, ...said);
    } catch (error) {
      this.#options.onError?.(error);
    }
  }

  #ended(removed: boolean): void {
    this.#marksToFree ||= removed;
    if (this.#marksToFree) this.#freeMarks();
    this.#look();
  }

  #look(): void {
    for (const look of [...this.#waiting]) look();
  }

  /** When everything is at rest: a mark is free if no namespace has it, or is about to. */
  #freeMarks(): void {
    const lists = new Set<readonly VirtualServer[]>(); // many sandboxes have the same
    for (const { busy, servers } of this.#keepers.values()) {
      if (busy || servers === undefined) return;
      for (const list of servers) lists.add(list);
    }
    const keys = new Set<string>();
    for (const list of lists) for (const { key } of list) keys.add(key);
    this.#marksToFree = false;
    this.#options.marks?.keep(keys);
  }
}
