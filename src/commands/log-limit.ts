/**
 * Which lines the log takes: what a container can cause must neither fill a disk nor bury what else is to be said. The same message is
 * written once and counted for a while; all messages together have an allowance.
 */

/** A line that is to be written. */
export interface Line {
  readonly message: string;
  readonly level: string;
  /** How often it was said without being written since it was last written. */
  readonly repeated?: number;
  /** When it was said last, if that was before. Milliseconds of the same clock. */
  readonly last?: number;
}

/** The same message is written this often. Milliseconds. */
const SAME_EVERY = 10_000;
/** Lines at once, and lines each second after that. A start says one for each sandbox that can't be had, at the worst. */
const ALLOWED = { atOnce: 300, eachSecond: 1 };
/** Messages that are known again; past it the oldest is forgotten. */
const MOST_KNOWN = 1_000;

interface Known {
  readonly level: string;
  readonly until: number;
  repeated: number;
  last: number;
}

/** The clock, in milliseconds, is handed in. */
export class LogLimit {
  /** By message; the oldest first, so the first to be over. */
  readonly #known = new Map<string, Known>();
  #allowance = ALLOWED.atOnce;
  #since: number;
  #leftOut = 0;
  /** When it may be said again how many were left out: beyond the allowance, or it would take what comes in for itself. */
  #countAgain: number;
  /** Messages in `#known` that were repeated. */
  #repeating = 0;

  constructor(now: number) {
    this.#since = now;
    this.#countAgain = now;
  }

  /** What is to be written now that this is said: one line, none, or some that were due. */
  say(message: string, level: string, now: number): Line[] {
    const lines = this.due(now);
    const known = this.#known.get(message);
    if (known !== undefined) {
      if (known.repeated++ === 0) this.#repeating++;
      known.last = now;
    } else if (this.#allow(now)) {
      this.#remember(message, level, now);
      lines.push({ message, level });
    } else this.#leftOut++;
    return lines;
  }

  /** What has waited long enough: counts of what was repeated, and of what was left out. */
  due(now: number): Line[] {
    const lines: Line[] = [];
    for (const [message, { level, until, repeated, last }] of this.#known) {
      if (until > now) break;
      this.#forget(message);
      if (repeated === 0) continue;
      if (!this.#allow(now)) {
        this.#leftOut += repeated;
        continue;
      }
      this.#remember(message, level, now);
      lines.push({ message, level, repeated, last });
    }
    if (this.#leftOut > 0 && now >= this.#countAgain) {
      lines.push({ message: `log lines left out, because there were too many: ${this.#leftOut}`, level: "warn" });
      this.#leftOut = 0;
      this.#countAgain = now + SAME_EVERY;
    }
    return lines;
  }

  /** Something will be due, though nothing more is said. */
  get waiting(): boolean {
    return this.#leftOut > 0 || this.#repeating > 0;
  }

  #allow(now: number): boolean {
    const more = Math.max(0, now - this.#since) * (ALLOWED.eachSecond / 1_000);
    this.#since = now;
    this.#allowance = Math.min(ALLOWED.atOnce, this.#allowance + more);
    if (this.#allowance < 1) return false;
    this.#allowance--;
    return true;
  }

  #remember(message: string, level: string, now: number): void {
    this.#known.set(message, { level, until: now + SAME_EVERY, repeated: 0, last: now });
    if (this.#known.size <= MOST_KNOWN) return;
    const [oldest] = this.#known.keys();
    this.#leftOut += this.#known.get(oldest!)!.repeated;
    this.#forget(oldest!);
  }

  #forget(message: string): void {
    if (this.#known.get(message)!.repeated > 0) this.#repeating--;
    this.#known.delete(message);
  }
}
