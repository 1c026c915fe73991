/** Time as the reconciler sees it, so that tests can move it. */

export interface Clock {
  /** Milliseconds from any fixed point; never goes back. */
  now(): number;
  /** Calls once, `ms` milliseconds from now; the result cancels that. */
  after(ms: number, call: () => void): () => void;
}

/** The machine's. Its timers don't keep the process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after: (ms, call) => {
    const timer = setTimeout(call, ms).unref();
    return () => clearTimeout(timer);
  },
};

/** Timers by name: setting one again moves it. */
export class Timers {
  readonly #clock: Clock;
  readonly #cancel = new Map<string, () => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  set(name: string, ms: number, call: () => void): void {
    this.cancel(name);
    const cancel = this.#clock.after(ms, () => {
      this.#cancel.delete(name);
      call();
    });
    this.#cancel.set(name, cancel);
  }

  has(name: string): boolean {
    return this.#cancel.has(name);
  }

  cancel(name: string): void {
    this.#cancel.get(name)?.();
    this.#cancel.delete(name);
  }

  cancelAll(): void {
    for (const name of [...this.#cancel.keys()]) this.cancel(name);
  }
}
