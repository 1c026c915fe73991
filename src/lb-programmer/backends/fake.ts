/**
 * A kernel in memory, for tests: it has the real one's rules (a destination needs its server, a VIP or mark has one owner), can
 * fail at any step, lose everything, and show connections. What `read` returns is what the steps made, nothing else.
 */
import { EMPTY, type LbOp, type LbState, type LbTarget, type VirtualServer } from "../state.ts";
import { type LbBackend, LbError, type Taken } from "./backend.ts";
import { KernelModel } from "./kernel-model.ts";

/** One call of a backend's method. `ops` are the steps that were done, which are fewer than asked if it failed. */
export interface FakeCall {
  readonly call: "read" | "apply" | "clear";
  readonly target: string;
  readonly ops: readonly LbOp[];
}

export interface FakeFailure {
  /** Id of the target that fails. Missing: any. */
  readonly target?: string;
  readonly call?: "read" | "apply" | "clear";
  /** Steps of `apply` that still succeed, counted over calls from now on. Default 0. */
  readonly after?: number;
  /** How many calls fail. Default 1; Infinity: until `succeed`. */
  readonly times?: number;
  /** Default "failed". */
  readonly code?: LbError["code"];
  /** Default "told to fail". */
  readonly message?: string;
}

interface Pending extends Required<Omit<FakeFailure, "target">> {
  readonly target: string | undefined;
  left: number;
  steps: number;
}

export class FakeBackend implements LbBackend {
  readonly name = "fake";
  /** Every call of `read`, `apply` and `clear`, in order. */
  readonly calls: FakeCall[] = [];
  /** Awaited before each call does anything: how a test holds a call back, or counts those at work. */
  before: ((call: FakeCall["call"], target: LbTarget) => Promise<void> | void) | undefined;
  readonly #kernels = new Map<string, KernelModel>();
  readonly #gone = new Set<string>();
  readonly #connections = new Map<string, number>();
  readonly #taken = new Map<string, Taken>();
  readonly #watchers = new Map<string, Set<() => void>>();
  #failures: Pending[] = [];

  async probe(target: LbTarget): Promise<void> {
    this.#check(target);
  }

  async read(target: LbTarget, keys: readonly string[]): Promise<LbState> {
    await this.before?.("read", target);
    this.calls.push({ call: "read", target: target.id, ops: [] });
    this.#check(target, "read");
    return this.#of(target.id).state(keys);
  }

  async apply(target: LbTarget, ops: readonly LbOp[], _desired: LbState): Promise<void> {
    await this.before?.("apply", target);
    const done: LbOp[] = [];
    this.calls.push({ call: "apply", target: target.id, ops: done });
    this.#check(target);
    for (const op of ops) {
      this.#check(target, "apply");
      try {
        this.#of(target.id).do(op);
      } catch (error) {
        throw new LbError("failed", target, (error as Error).message);
      }
      done.push(op);
    }
  }

  async connections(target: LbTarget, server: VirtualServer, { address }: { address: string }): Promise<number> {
    this.#check(target);
    return this.#connections.get(`${target.id} ${server.key} ${address}`) ?? 0;
  }

  async taken(target: LbTarget): Promise<ReadonlyMap<string, Taken>> {
    this.#check(target);
    const nothing: Taken = { connections: 0, packets: 0, bytes: 0 };
    const { servers } = this.#of(target.id).state();
    return new Map(servers.map(({ key }) => [key, this.#taken.get(`${target.id} ${key}`) ?? nothing]));
  }

  watch(target: LbTarget, changed: () => void): () => void {
    const watchers = this.#watchers.get(target.id) ?? new Set();
    this.#watchers.set(target.id, watchers.add(changed));
    return () => void watchers.delete(changed);
  }

  async clear(target: LbTarget): Promise<void> {
    await this.before?.("clear", target);
    this.calls.push({ call: "clear", target: target.id, ops: [] });
    if (this.#gone.has(target.id)) return;
    this.#check(target, "clear");
    this.#kernels.delete(target.id);
  }

  // What tests tell it, and ask it.

  /** What is there, sysctls included. */
  state(target: string): LbState {
    return this.#of(target).state();
  }

  /** The namespace as somebody left it: before the start, or behind our back. Watchers are told. */
  set(target: string, state: LbState): void {
    this.#kernels.set(target, new KernelModel(state));
    this.changed(target);
  }

  /** Somebody flushes everything; watchers are told unless `silently`. */
  flush(target: string, { silently = false } = {}): void {
    this.#kernels.set(target, new KernelModel(EMPTY));
    if (!silently) this.changed(target);
  }

  /** Says to those who watch that something may have changed. */
  changed(target: string): void {
    for (const watcher of [...(this.#watchers.get(target) ?? [])]) watcher();
  }

  /** How many watch the target. */
  watching(target: string): number {
    return this.#watchers.get(target)?.size ?? 0;
  }

  /** Open connections through a server to a task. */
  connect(target: string, server: string, address: string, count: number): void {
    this.#connections.set(`${target} ${server} ${address}`, count);
  }

  /** What a server has taken so far. */
  take(target: string, server: string, taken: Taken): void {
    this.#taken.set(`${target} ${server}`, taken);
  }

  /** The namespace is deleted. */
  destroy(target: string): void {
    this.#gone.add(target);
    this.#kernels.delete(target);
  }

  /** Another one is made in its place, empty. */
  restore(target: string): void {
    this.#gone.delete(target);
  }

  fail({
    target,
    call = "apply",
    after = 0,
    times = 1,
    code = "failed",
    message = "told to fail",
  }: FakeFailure = {}): void {
    this.#failures.push({ target, call, after, times, code, message, left: times, steps: after });
  }

  succeed(): void {
    this.#failures = [];
  }

  #of(target: string): KernelModel {
    const kernel = this.#kernels.get(target) ?? new KernelModel();
    this.#kernels.set(target, kernel);
    return kernel;
  }

  #check(target: LbTarget, call?: FakeCall["call"]): void {
    if (this.#gone.has(target.id)) throw new LbError("gone", target, "the network namespace is gone");
    const failure = this.#failures.find((f) => f.call === call && (f.target ?? target.id) === target.id);
    if (failure === undefined || failure.steps-- > 0) return;
    failure.steps = failure.after;
    if (--failure.left <= 0) this.#failures = this.#failures.filter((f) => f !== failure);
    throw new LbError(failure.code, target, failure.message);
  }
}
