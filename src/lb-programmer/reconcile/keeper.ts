/**
 * Keeps one namespace equal to its plan, in passes:
 *
 *   read (if what is known is stale) -> plan -> reserve -> what must stay yet -> diff -> apply
 *
 * What a pass leaves behind is known without reading, which is what makes a small change to a large namespace quick.
 */

import { isGone } from "../backends/backend.ts";
import { diff, isSame } from "../diff.ts";
import { type Destination, EMPTY, type LbState, type LbTarget, type VirtualServer } from "../state.ts";
import { Draining } from "./draining.ts";
import type { KeeperOptions } from "./keeper-options.ts";
import { KernelView } from "./kernel-view.ts";
import { type Left, leavingFrom, NOTHING_LEFT, stage } from "./leaving.ts";
import { Repeater } from "./repeater.ts";
import { Slowness } from "./slowness.ts";

/** No revision. */
const NONE = Number.POSITIVE_INFINITY;
const NOTHING: ReadonlySet<Destination> = new Set();

export class Keeper {
  target: LbTarget;
  state: "equal" | "working" | "degraded" = "working";
  reason: string | undefined;
  /** Revision of the newest plan whose additions are in the kernel; -1: none. */
  installed = -1;
  readonly #options: KeeperOptions;
  readonly #passes: Repeater;
  readonly #kernel: KernelView;
  readonly #draining: Draining;
  readonly #slowness: Slowness;
  #left: Left = NOTHING_LEFT;
  #desired: LbState = EMPTY;
  /** Lowest revision that was asked for and that no pass has taken up yet. */
  #pending = NONE;
  /** The same of what the pass at work has taken up: not there yet, either. */
  #covering = NONE;
  /** Servers were taken away in the pass at work. */
  #removed = false;

  /** `first` is awaited before anything is done: what a keeper of the same namespace still does. */
  constructor(target: LbTarget, options: KeeperOptions, first: Promise<unknown> | undefined) {
    const { backend, clock, intervals } = options;
    this.target = target;
    this.#options = options;
    this.#kernel = new KernelView(options, () => this.#passes.wake());
    this.#draining = new Draining(backend, clock);
    this.#slowness = new Slowness(clock);
    let before = first;
    this.#passes = new Repeater({
      clock,
      limit: () => (this.slow ? options.slowLimit : options.limit),
      min: intervals.min,
      retry: intervals.retry,
      work: async () => {
        await before;
        before = undefined;
        return this.#slowness.measure(() => this.#pass());
      },
      failed: (error) => this.#failed(error),
      ended: () => {
        options.ended(this.#removed);
        this.#removed = false;
      },
    });
  }

  /** A container's namespace in which work took long, lately, or does now. */
  get slow(): boolean {
    return !isOwn(this.target) && this.#slowness.slow;
  }

  get busy(): boolean {
    return this.#passes.busy;
  }

  /** Entries in the kernel that are not in the plan: they drain, or wait to be released. */
  get leaving(): number {
    return this.#left.since.size;
  }

  /** The same target in the same namespace, with other properties. */
  change(target: LbTarget): void {
    this.target = target;
    this.#kernel.changed();
  }

  /** The plan of this revision must be in the kernel. Of hundreds of sandboxes, a change is mostly none of theirs. */
  request(revision: number): void {
    if (this.#isDone()) {
      this.installed = revision;
      return;
    }
    this.#pending = Math.min(this.#pending, revision);
    if (this.state === "equal") this.#tell("working");
    this.#passes.wake();
  }

  /** A pass, if there is something that it may remove by now. */
  release(released: number): void {
    const { since } = this.#left;
    const waiting = (): boolean => since.size > 0 && [...since.values()].some((revision) => revision <= released);
    if (this.#passes.busy || waiting()) this.#passes.wake();
  }

  /** Nothing is believed of what the kernel holds. */
  distrust(): void {
    this.#kernel.distrust();
  }

  /** Another pass, without a reason of its own. */
  wake(): void {
    this.#passes.wake();
  }

  /** Additions up to this revision are in the kernel, or can't be for now. */
  settled(revision: number): boolean {
    if (Math.min(this.#pending, this.#covering) > revision) return true;
    return this.state === "degraded" && !this.#passes.busy;
  }

  /** What the last pass left there; undefined if that is not known. */
  get there(): LbState | undefined {
    return this.#kernel.state;
  }

  /** Servers that are wanted, and those that are there; undefined if it is not known which are. */
  get servers(): readonly (readonly VirtualServer[])[] | undefined {
    const there = this.#kernel.state;
    return there && [this.#desired.servers, there.servers];
  }

  /** No more passes; resolves when the one at work has ended. What is in the kernel stays. */
  async stop(): Promise<void> {
    await this.#passes.stop(); // the pass at work may be its first, which begins to watch
    this.#kernel.stop();
  }

  /** All that is planned is there by the last pass, nothing else is, and nobody has doubts: a pass would do nothing. */
  #isDone(): boolean {
    const atRest = this.state === "equal" && !this.#passes.busy && !this.#kernel.stale && this.leaving === 0;
    if (!atRest || isOwn(this.target)) return false;
    try {
      return isSame(this.#options.reserve(this.target, this.#options.plan(this.target)), this.#desired);
    } catch {
      return false; // the pass will say what is wrong
    }
  }

  /** Resolves to the milliseconds after which another pass is due, if tasks drain. */
  async #pass(): Promise<number | undefined> {
    const { backend, gate, requested, planned, released, reserve, plan, intervals } = this.#options;
    const repairs = this.#kernel.stale ? await this.#read() : 0;
    if (!gate.pass(this.target.id)) return undefined; // it wakes us
    const revision = requested();
    const permit = { revision: planned(), released: released() };
    this.#covering = this.#pending;
    this.#pending = NONE;

    this.#desired = reserve(this.target, plan(this.target));
    if (!this.#kernel.knows(this.#desired)) await this.#kernel.readSysctls(this.target, this.#desired);
    const actual = this.#kernel.state ?? EMPTY;
    const leaving = leavingFrom(actual, this.#desired, this.#left, permit);
    const drained = leaving.draining.length === 0 ? NOTHING : await this.#draining.over(leaving.draining, this.target);
    const next = stage(this.#desired, leaving, drained);
    const ops = diff(actual, next.state);
    this.#removed ||= ops.some((op) => op.op === "server.remove");
    this.#left = leaving.left; // all of it, until it is sure that some has gone
    if (ops.length > 0) await backend.apply(this.target, ops, next.state);

    this.#kernel.state = next.state;
    this.#left = next.left;
    this.#covering = NONE;
    this.installed = revision;
    if (repairs > 0) this.#options.repaired(this.target.id, repairs);
    const stillDraining = leaving.draining.filter(({ task }) => !drained.has(task));
    const again = this.#draining.next(stillDraining, intervals.drain);
    this.#draining.note(next.state);
    const blocked = backend.blocked?.(this.target);
    if (blocked !== undefined) this.#tell("degraded", blocked);
    else this.#tell(this.#pending === NONE ? "equal" : "working");
    return again;
  }

  /** Looks what is there; how many steps it is away from what was left there. */
  async #read(): Promise<number> {
    const repairs = await this.#kernel.read(this.target);
    const there = this.#kernel.state ?? EMPTY;
    this.#draining.note(there);
    if (isOwn(this.target)) this.#options.marks?.adopt(there.servers);
    return repairs;
  }

  #failed(error: unknown): void {
    this.#pending = Math.min(this.#pending, this.#covering);
    this.#covering = NONE;
    this.#kernel.forget();
    this.#options.gate.pass(this.target.id);
    if (isGone(error) && this.target.kind === "sandbox") this.#options.gone(this.target.id, this, error);
    else this.#tell("degraded", error instanceof Error ? error.message : String(error));
  }

  #tell(state: Keeper["state"], reason?: string): void {
    if (state === this.state && reason === this.reason) return;
    this.state = state;
    this.reason = reason;
    this.#options.changed(this.target.id);
  }
}

/** One of the host's own namespaces: no container writes to it. */
export const isOwn = ({ kind }: LbTarget): boolean => kind !== "sandbox";
