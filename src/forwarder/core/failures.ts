/**
 * Questions that failed lately (RFC 9520): for a second they fail again without anyone being asked, for two if they still
 * do, up to half a minute. Bounded; what failed longest ago is forgotten first.
 */
import type { Outcome } from "./flight.ts";

interface Failure {
  readonly outcome: Outcome;
  readonly until: number;
  readonly pause: number;
}

const FIRST_PAUSE = 1_000;
/** RFC 9520 section 3.2 allows five minutes; a container's network is back sooner. */
const LAST_PAUSE = 30_000;
/** An outcome is a few hundred octets, or a truncated reply of 1232. */
const MOST = 2_048;

export class Failures {
  readonly #all = new Map<string, Failure>();

  clear(): void {
    this.#all.clear();
  }

  /** What to tell whoever asks again so soon. */
  get(key: string, now: number): Outcome | undefined {
    if (this.#all.size === 0) return undefined;
    const failure = this.#all.get(key);
    return failure !== undefined && now < failure.until ? failure.outcome : undefined;
  }

  put(key: string, outcome: Outcome, now: number): void {
    const before = this.#all.get(key);
    const again = before !== undefined && now < before.until + LAST_PAUSE;
    const pause = again ? Math.min(before.pause * 2, LAST_PAUSE) : FIRST_PAUSE;
    this.#all.delete(key); // so that it is the youngest
    if (this.#all.size >= MOST)
      for (const oldest of this.#all.keys()) {
        this.#all.delete(oldest);
        break;
      }
    this.#all.set(key, { outcome, until: now + pause, pause });
  }

  /** It was answered. */
  remove(key: string): void {
    if (this.#all.size > 0) this.#all.delete(key);
  }
}
