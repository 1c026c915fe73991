/**
 * Targets that come together are all read before the first of them is planned: marks that are in any of the kernel's namespaces
 * must be known before a new one is given out. Those that have passed once always do.
 */
import { type Clock, Timers } from "./clock.ts";

/** Nobody waits longer for a namespace that can't be read. */
const PATIENCE = 5_000;

export class Gate {
  readonly #wake: (id: string) => void;
  readonly #timers: Timers;
  readonly #unread = new Set<string>();
  readonly #waiting = new Set<string>();

  constructor(clock: Clock, wake: (id: string) => void) {
    this.#timers = new Timers(clock);
    this.#wake = wake;
  }

  /** A new target, unread. */
  enter(id: string): void {
    this.#unread.add(id);
    if (!this.#timers.has("open")) this.#timers.set("open", PATIENCE, () => this.#open());
  }

  /** The target has been read, or can't be; true if it may go on. If not, it is woken later. */
  pass(id: string): boolean {
    if (!this.#unread.has(id) && !this.#waiting.has(id)) return true;
    this.#unread.delete(id);
    if (this.#unread.size > 0) {
      this.#waiting.add(id);
      return false;
    }
    this.#waiting.delete(id);
    this.#open();
    return true;
  }

  /** The target is no more. */
  leave(id: string): void {
    this.#waiting.delete(id);
    if (this.#unread.delete(id) && this.#unread.size === 0) this.#open();
  }

  close(): void {
    this.#timers.cancelAll();
  }

  #open(): void {
    this.#timers.cancelAll();
    this.#unread.clear();
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const id of waiting) this.#wake(id);
  }
}
