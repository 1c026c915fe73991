/**
 * What each sandbox has in use of the forwarder, and who gives way when all of it is in use. Past an equal part, a sandbox
 * may have what is free; below it, it is never refused: whoever has most makes room.
 */
import type { Flight, Share } from "./flight.ts";

export class Shares {
  readonly #all = new Map<string, Share>();
  #sweepAt = LEAST_SWEPT;
  /** Shares with a flight, and with a waiter. */
  #flying = 0;
  #waiting = 0;

  of(asker: string): Share {
    let share = this.#all.get(asker);
    if (share === undefined) {
      if (this.#all.size >= this.#sweepAt) this.#sweep();
      share = { asker, flights: 0, oldest: undefined, newest: undefined, waiters: 0 };
      this.#all.set(asker, share);
    }
    return share;
  }

  take(share: Share, flight: Flight): void {
    if (share.flights++ === 0) this.#flying++;
    flight.older = share.newest;
    if (share.newest === undefined) share.oldest = flight;
    else share.newest.newer = flight;
    share.newest = flight;
  }

  give(share: Share, flight: Flight): void {
    if (--share.flights === 0) this.#flying--;
    const { older, newer } = flight;
    if (older === undefined) share.oldest = newer;
    else older.newer = newer;
    if (newer === undefined) share.newest = older;
    else newer.older = older;
    flight.older = flight.newer = undefined;
  }

  /** `count` more of its clients wait, or fewer. */
  wait(share: Share, count: number): void {
    if (share.waiters === 0) this.#waiting++;
    share.waiters += count;
    if (share.waiters === 0) this.#waiting--;
  }

  /** When all `most` flights are taken: the share that must give one up for this share. Undefined: this one has its equal part already. */
  richestInFlights(share: Share, most: number): Share | undefined {
    const parts = this.#flying + (share.flights === 0 ? 1 : 0);
    return share.flights < Math.floor(most / parts) ? this.#richest((s) => s.flights) : undefined;
  }

  /** The same for waiters. */
  richestInWaiters(share: Share, most: number): Share | undefined {
    const parts = this.#waiting + (share.waiters === 0 ? 1 : 0);
    return share.waiters < Math.floor(most / parts) ? this.#richest((s) => s.waiters) : undefined;
  }

  #richest(held: (share: Share) => number): Share | undefined {
    let richest: Share | undefined;
    for (const share of this.#all.values()) if (richest === undefined || held(share) > held(richest)) richest = share;
    return richest;
  }

  /** Sandboxes come and go: those that have nothing in use are forgotten. */
  #sweep(): void {
    for (const [asker, { flights, waiters }] of this.#all) if (flights === 0 && waiters === 0) this.#all.delete(asker);
    this.#sweepAt = Math.max(LEAST_SWEPT, 2 * this.#all.size);
  }
}

const LEAST_SWEPT = 512;
