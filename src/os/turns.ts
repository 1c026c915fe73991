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
  readonly deadline: Deadline | undefined;
}

export class Turns {
  readonly #most: number;
  readonly #now: () => number;
  /** Where a call is at work. */
  readonly #busy = new Set<string>();
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
      const deadline = longest < Number.POSITIVE_INFINITY ? new Deadline(longest, late) : undefined;
      const start = (): void => {
        deadline?.again();
        this.#busy.add(place);
        const slow = new Deadline(SLOW.from, () => void this.#slow.set(place, Number.POSITIVE_INFINITY));
        const ended = (): void => {
          deadline?.end();
          slow.end();
          this.#ended(place);
        };
        work().then(
          (result) => {
            resolve(result);
            ended();
          },
          (error) => {
            reject(error);
            ended();
          },
        );
      };
      const waiting: Waiting = { place, start, deadline };
      this.#waiting.push(waiting);
      this.#next();
    });
  }

  #ended(place: string): void {
    if (this.#slow.get(place) === Number.POSITIVE_INFINITY) this.#slow.set(place, this.#now() + SLOW.remembered);
    this.#busy.delete(place);
    for (const waiting of this.#waiting) if (!this.#slow.has(waiting.place)) waiting.deadline?.again();
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
    return !this.#slow.has(place) || ![...this.#busy].some((other) => this.#slow.has(other));
  }
}

/**
 * Calls when so many milliseconds are over. If this thread was at something else for as long, that is nobody's fault: first it hears what has
 * ended meanwhile, and only who is still at it then is late.
 */
class Deadline {
  readonly #timer: NodeJS.Timeout;
  /** How often the time has begun anew. */
  #begun = 0;

  constructor(milliseconds: number, call: () => void) {
    this.#timer = setTimeout(() => {
      const begun = this.#begun;
      setImmediate(() => begun === this.#begun && call());
    }, milliseconds);
  }

  again(): void {
    this.#begun++;
    this.#timer.refresh();
  }

  end(): void {
    this.#begun++;
    clearTimeout(this.#timer);
  }
}

/** Transactions in containers' namespaces, those in the host's own, and closing what was used for them. */
export const TURNS = { containers: new Turns(2), own: new Turns(1), closing: new Turns(1) };
