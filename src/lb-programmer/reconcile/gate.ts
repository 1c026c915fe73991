/**
 * Holds back all plans until each of the host's own namespaces has been read once: a plan gives out marks, and which are in the kernel
 * there already must be known before. Containers' namespaces are not waited for: marks that are found there are not believed.
 */
import { type Clock, Timers } from "../clock.ts";

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

  /** A new target of the host's own, unread. */
  enter(id: string): void {
    this.#unread.add(id);
    if (!this.#timers.has("open")) this.#timers.set("open", PATIENCE, () => this.#open());
  }

  /** The target has been read, or can't be; true if it may go on. If not, it is woken later. */
  pass(id: string): boolean {
    this.leave(id);
    if (this.#unread.size === 0) return true;
    this.#waiting.add(id);
    return false;
  }

  /** The target has been read, or is no more. */
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
