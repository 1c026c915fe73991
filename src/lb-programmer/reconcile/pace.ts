/**
 * How long to wait with a look at the kernel after the backend's word that something may have changed. Whoever changes something now
 * and then is seen at once; whoever goes on changing things, in a container's namespace say, is looked at less and less often.
 */
import type { Clock } from "../clock.ts";
import type { Intervals } from "./keeper-options.ts";

/** So many times the last wait without a word, and the next is short again. */
const QUIET = 4;

export class Pace {
  readonly #clock: Clock;
  readonly #intervals: Pick<Intervals, "check" | "drift">;
  #wait = 0;
  /** When the last look was due. */
  #due = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, intervals: Pick<Intervals, "check" | "drift">) {
    this.#clock = clock;
    this.#intervals = intervals;
  }

  /** Milliseconds from now to the look. */
  next(): number {
    const { check, drift } = this.#intervals;
    const quiet = this.#clock.now() - this.#due > QUIET * this.#wait;
    this.#wait = quiet ? check : Math.min(this.#wait * 2, drift);
    this.#due = this.#clock.now() + this.#wait;
    return this.#wait;
  }
}
