/** Whether work in a namespace takes long: then names don't wait for it, and it waits among its like. */
import type { Clock } from "../clock.ts";

/** Milliseconds of one pass: slow as long as it goes on, slow for some time afterwards, and for how long. */
const SLOW = { now: 1_000, afterwards: 3_000, remembered: 300_000 };

export class Slowness {
  readonly #clock: Clock;
  /** When the pass at work began. */
  #began = Number.POSITIVE_INFINITY;
  #until = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get slow(): boolean {
    const now = this.#clock.now();
    return now < this.#until || now - this.#began > SLOW.now;
  }

  /** A pass, which is measured. */
  async measure<T>(pass: () => Promise<T>): Promise<T> {
    this.#began = this.#clock.now();
    try {
      return await pass();
    } finally {
      const now = this.#clock.now();
      if (now - this.#began > SLOW.afterwards) this.#until = now + SLOW.remembered;
      this.#began = Number.POSITIVE_INFINITY;
    }
  }
}
