/** Does the same work again whenever somebody asks, never twice at a time: all requests that come while it runs become one more run. */
import { type Clock, Timers } from "../clock.ts";
import type { Limit } from "./limit.ts";

export interface RepeaterOptions {
  readonly clock: Clock;
  /** Runs of several repeaters share it; asked before each. */
  readonly limit: () => Limit;
  /** Milliseconds from one run's start to the next one's. */
  readonly min: number;
  /** Milliseconds until a failed run is repeated: the first time, and at most; doubled each time. */
  readonly retry: readonly [number, number];
  /** The work; resolves to the milliseconds after which it wants to be done again, if it does. */
  readonly work: () => Promise<number | undefined>;
  readonly failed: (error: unknown) => void;
  /** A run is over, well or not, and the next one, if it was asked for, has been started. */
  readonly ended: () => void;
}

export class Repeater {
  readonly #options: RepeaterOptions;
  readonly #timers: Timers;
  #wanted = false;
  #stopped = false;
  #running: Promise<void> | undefined;
  #failures = 0;
  #notBefore = Number.NEGATIVE_INFINITY;

  constructor(options: RepeaterOptions) {
    this.#options = options;
    this.#timers = new Timers(options.clock);
  }

  /** At work, or about to be. False while it waits to repeat what failed. */
  get busy(): boolean {
    return this.#wanted || this.#running !== undefined;
  }

  /** Asks for a run that starts from now on. One that failed is repeated at once: what was asked may help. */
  wake(): void {
    if (this.#stopped) return;
    this.#wanted = true;
    this.#timers.cancel("again");
    this.#go();
  }

  /** No more runs; resolves when the one at work has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wanted = false;
    this.#timers.cancelAll();
    await this.#running;
  }

  #go(): void {
    if (this.#running !== undefined || !this.#wanted || this.#stopped) return;
    const wait = this.#notBefore - this.#options.clock.now();
    if (wait > 0) {
      this.#timers.set("min", wait, () => this.#go());
      return;
    }
    this.#running = this.#options
      .limit()
      .run(() => this.#run())
      .then(() => {
        this.#running = undefined;
        this.#go();
        this.#options.ended();
      });
  }

  async #run(): Promise<void> {
    if (this.#stopped) return;
    const { clock, work, min, retry, failed } = this.#options;
    this.#wanted = false;
    this.#notBefore = clock.now() + min;
    try {
      const again = await work();
      this.#failures = 0;
      if (again !== undefined) this.#again(again);
    } catch (error) {
      this.#again(Math.min(retry[0] * 2 ** this.#failures++, retry[1]));
      failed(error);
    }
  }

  #again(ms: number): void {
    if (this.#stopped) return;
    if (ms <= 0) this.#wanted = true;
    else this.#timers.set("again", ms, () => this.wake());
  }
}
