/** Those who wait: how many there are, and what each of them is handed in the end. */
import { EDE_OTHER, REFUSED } from "../wire/constants.ts";
import { addressed, type Entry, staleAnswer } from "./cache.ts";
import type { ForwarderCounters } from "./counters.ts";
import type { Flight, Waiter } from "./flight.ts";
import type { ForwardFailure, ForwardReply } from "./types.ts";

export class Clients {
  readonly #counters: ForwarderCounters;
  readonly #most: number;
  #waiting = 0;

  /** At most `most` wait at any time. */
  constructor(counters: ForwarderCounters, most: number) {
    this.#counters = counters;
    this.#most = most;
  }

  get full(): boolean {
    return this.#waiting >= this.#most;
  }

  /** One more waits for this question's answer. */
  add(flight: Flight, waiter: Waiter): void {
    this.#waiting++;
    flight.waiters.push(waiter);
  }

  /** They wait no longer; the caller replies to each. */
  take(flight: Flight): readonly Waiter[] {
    const { waiters } = flight;
    this.#waiting -= waiters.length;
    flight.waiters = [];
    return waiters;
  }

  deliver(waiters: readonly Waiter[], outcome: Uint8Array | ForwardFailure): void {
    // The first one gets the packet itself, so it comes last, when the copies are made.
    for (let i = waiters.length - 1; i >= 0; i--) {
      const { request, reply } = waiters[i]!;
      if (outcome instanceof Uint8Array) reply(addressed(i === 0 ? outcome : Buffer.from(outcome), request));
      else reply(outcome);
    }
  }

  deliverStale(waiters: readonly Waiter[], entry: Entry): void {
    for (const { request, reply } of waiters) {
      this.#counters.staleServed++;
      reply(staleAnswer(entry, request));
    }
  }

  fail(reply: ForwardReply, failure: ForwardFailure): void {
    this.#counters.failures++;
    reply(failure);
  }

  refuse(reply: ForwardReply): void {
    this.#counters.refusedOverLimit++;
    reply(TOO_MANY);
  }
}

const TOO_MANY: ForwardFailure = { rcode: REFUSED, ede: EDE_OTHER, text: "too many queries in flight" };
