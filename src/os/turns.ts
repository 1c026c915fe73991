/**
 * Turns at node's pool of threads, for calls into a namespace that wait until its transactions of netfilter are done. A container can have
 * one that takes seconds, and the pool has four threads, which all that node does with files needs, too. So containers together have two of
 * them, each of them one at a time, and those that were slow lately share one.
 */
import { OsError } from "./error.ts";

const ETIMEDOUT = 110;

/** Milliseconds of one call: slow from here on, and for how long that is remembered. */
const SLOW = { from: 1_000, remembered: 300_000 };

interface Waiting {
  readonly place: string;
  readonly start: () => void;
  /** Missing: it waits for however long. */
  readonly timer: NodeJS.Timeout | undefined;
}

export class Turns {
  readonly #most: number;
  readonly #now: () => number;
  /** When the call at work began, by place. */
  readonly #busy = new Map<string, number>();
  /** Until when a place counts as slow. */
  readonly #slow = new Map<string, number>();
  #waiting: Waiting[] = [];

  constructor(most: number, now: () => number = () => performance.now()) {
    this.#most = most;
    this.#now = now;
  }

  /**
   * What `work` resolves to, which is called when it is its turn: `place` says where. Rejects with an OsError (ETIMEDOUT) when it takes
   * `longest` milliseconds, and what it began goes on; or when it waits as long without that anyone's call ends (who is slow himself:
   * whatever ends), and then it never gets a turn.
   */
  run<T>(place: string, work: () => Promise<T>, longest = Number.POSITIVE_INFINITY): Promise<T> {
    return new Promise((resolve, reject) => {
      const late = (): void => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        reject(new OsError("nftables", ETIMEDOUT, "", "others' changes of the namespace's rules take too long"));
      };
      const timer = longest < Number.POSITIVE_INFINITY ? setTimeout(late, longest) : undefined;
      const start = (): void => {
        timer?.refresh();
        this.#busy.set(place, this.#now());
        work()
          .then(resolve, reject)
          .finally(() => {
            clearTimeout(timer);
            this.#ended(place);
          });
      };
      const waiting: Waiting = { place, start, timer };
      this.#waiting.push(waiting);
      this.#next();
    });
  }

  #ended(place: string): void {
    const now = this.#now();
    if (now - this.#busy.get(place)! > SLOW.from) this.#slow.set(place, now + SLOW.remembered);
    this.#busy.delete(place);
    for (const waiting of this.#waiting) if (!this.#isSlow(waiting.place)) waiting.timer?.refresh();
    this.#next();
  }

  #next(): void {
    for (const [place, until] of this.#slow) if (until < this.#now()) this.#slow.delete(place);
    for (;;) {
      const i = this.#waiting.findIndex(({ place }) => this.#mayStart(place));
      if (i < 0) return;
      this.#waiting.splice(i, 1)[0]!.start();
    }
  }

  #mayStart(place: string): boolean {
    if (this.#busy.has(place) || this.#busy.size >= this.#most) return false;
    return !this.#isSlow(place) || ![...this.#busy.keys()].some((other) => this.#isSlow(other));
  }

  #isSlow(place: string): boolean {
    const began = this.#busy.get(place);
    return this.#slow.has(place) || (began !== undefined && this.#now() - began > SLOW.from);
  }
}

/** Transactions in containers' namespaces, those in the host's own, and closing what was used for them. */
export const TURNS = { containers: new Turns(2), own: new Turns(1), closing: new Turns(1) };
