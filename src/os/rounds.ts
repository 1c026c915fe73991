/**
 * What is done again and again for each of many, spread evenly over time: five hundred sandboxes that are each looked at twice a
 * second are never looked at in one go. One timer wakes the process for all of it.
 */

/** Milliseconds. */
export const PULSE = 100;

/** Calls again with every pulse; returns how to stop. It does not keep the process alive. */
export function everyPulse(call: () => void): () => void {
  calls.add(call);
  timer ??= setInterval(() => {
    for (const each of calls) each();
  }, PULSE).unref();
  return () => {
    calls.delete(call);
    if (calls.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

const calls = new Set<() => void>();
let timer: NodeJS.Timeout | undefined;

/** Each member is called once a period. */
export class Rounds {
  readonly #period: number;
  /** Who was called last stands last. */
  readonly #members = new Set<() => void>();
  /** A period for each that is to be called by now, and what has gone by of the next one's. */
  #due = 0;
  #stop: (() => void) | undefined;

  /** Milliseconds. */
  constructor(period: number) {
    this.#period = period;
  }

  /** Returns how it leaves. Twice is once. */
  add(member: () => void): () => void {
    this.#members.add(member);
    this.#stop ??= everyPulse(() => this.#turn());
    return () => {
      this.#members.delete(member);
      if (this.#members.size === 0) this.#rest();
    };
  }

  #turn(): void {
    this.#due += this.#members.size * PULSE;
    const now = [...first(this.#members, Math.floor(this.#due / this.#period))];
    this.#due = Math.min(this.#due - now.length * this.#period, this.#period);
    for (const member of now) {
      if (!this.#members.delete(member)) continue; // it left while another was called
      this.#members.add(member);
      member();
    }
  }

  #rest(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#due = 0;
  }
}

/** At most `count` of them. */
export function* first<T>(from: Iterable<T>, count: number): Iterable<T> {
  if (count <= 0) return;
  for (const one of from) {
    yield one;
    if (--count <= 0) return;
  }
}
