/**
 * What one namespace holds, as far as we know: as it was read, or as the last pass left it. Knows when to read again: at the start,
 * after a failure, when the backend says that something may have changed, and now and then where it can't tell.
 */
import { Timers } from "../clock.ts";
import { diff } from "../diff.ts";
import type { LbState, LbTarget } from "../state.ts";
import type { KeeperOptions } from "./keeper-options.ts";
import { Pace } from "./pace.ts";

export class KernelView {
  /** Undefined: not known, after a failure say. */
  state: LbState | undefined;
  /** It may be otherwise by now: to be read before anything is done. */
  stale = true;
  readonly #options: Pick<KeeperOptions, "backend" | "intervals">;
  readonly #timers: Timers;
  readonly #pace: Pace;
  /** Called when it has become stale. */
  readonly #suspect: () => void;
  /** Sysctls that `state` says something about. */
  #keys: readonly string[] = [];
  #unwatch: (() => void) | undefined;

  constructor(options: Pick<KeeperOptions, "backend" | "intervals" | "clock">, suspect: () => void) {
    this.#options = options;
    this.#timers = new Timers(options.clock);
    this.#pace = new Pace(options.clock, options.intervals);
    this.#suspect = suspect;
  }

  /** Reads the namespace, and watches it from the first time on; how many steps it is away from what was known. */
  async read(target: LbTarget): Promise<number> {
    const { backend } = this.#options;
    const before = this.state;
    this.stale = false;
    if (this.#unwatch === undefined) {
      await backend.probe(target);
      this.#unwatch = backend.watch?.(target, () => this.#mayHaveChanged()) ?? (() => {});
    }
    this.state = await backend.read(target, this.#keys);
    this.#checkLater(target);
    return before === undefined ? 0 : diff(this.state, before).length;
  }

  /** `state` says something about all of its sysctls. */
  knows({ sysctls }: LbState): boolean {
    return Object.keys(sysctls).every((key) => this.#keys.includes(key));
  }

  /**
   * Which sysctls a namespace needs is known from its plan: the first plan that names some has them read as well. A namespace without
   * servers is not read again for their sake; they are set there, whatever they are.
   */
  async readSysctls(target: LbTarget, desired: LbState): Promise<void> {
    this.#keys = Object.keys(desired.sysctls);
    if (this.state?.servers.length) this.state = await this.#options.backend.read(target, this.#keys);
  }

  /** Nothing is believed any more: to be read at the next pass. */
  distrust(): void {
    this.stale = true;
    this.#suspect();
  }

  /** Something went wrong: whatever was done may be there or not. */
  forget(): void {
    this.state = undefined;
    this.stale = true;
  }

  /** The target has other properties: something else of the namespace may be what is to be read, and watched. */
  changed(): void {
    this.#stopWatching();
    this.distrust();
  }

  stop(): void {
    this.#timers.cancelAll();
    this.#stopWatching();
  }

  /** What nobody has told of is found by then, unless the backend is sure that there is nothing to be found. */
  #checkLater(target: LbTarget): void {
    this.#timers.set("drift", this.#options.intervals.drift, () => {
      if (this.#options.backend.unchanged?.(target)) this.#checkLater(target);
      else this.distrust();
    });
  }

  /** Many words in a row are one read. Our own changes are announced, too, by backends that can't tell. */
  #mayHaveChanged(): void {
    if (!this.#timers.has("check")) this.#timers.set("check", this.#pace.next(), () => this.distrust());
  }

  #stopWatching(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
  }
}
