/**
 * When what failed is tried again: soon, and then ever later. A tool that a busy machine held up is quick the next time; what stays
 * wrong costs a try a minute, and is said once.
 */
import { clearTimeout, setTimeout } from "node:timers";

/** Milliseconds: after the first failure, and at most. */
const WAIT = [1_000, 60_000] as const;

export class Retries {
  readonly #waiting = new Map<string, { said: string; wait: number; timer: NodeJS.Timeout }>();
  #closed = false;

  /**
   * It failed, for this reason: `again` is called after a while, of `longest` milliseconds at the most. True if the reason is another
   * than the last.
   */
  failed(key: string, reason: string, again: () => void, longest: number = WAIT[1]): boolean {
    const before = this.#waiting.get(key);
    if (this.#closed) return before?.said !== reason;
    clearTimeout(before?.timer);
    const wait = Math.min(before === undefined ? WAIT[0] : before.wait * 2, longest);
    this.#waiting.set(key, { said: reason, wait, timer: setTimeout(again, wait) });
    return before?.said !== reason;
  }

  /** It is well, or another matter now. */
  forget(key: string): void {
    clearTimeout(this.#waiting.get(key)?.timer);
    this.#waiting.delete(key);
  }

  close(): void {
    this.#closed = true;
    for (const { timer } of this.#waiting.values()) clearTimeout(timer);
  }
}
