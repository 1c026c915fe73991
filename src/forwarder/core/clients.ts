/** Those who wait: how many there are, who makes room for whom, and what each of them is handed in the end. */
import { EDE_OTHER, REFUSED } from "../../wire/constants.ts";
import { fitAnswer } from "./answer.ts";
import { type Entry, staleAnswer } from "./cache.ts";
import type { ForwarderCounters } from "./counters.ts";
import type { Flight, Outcome, Party, Share, Waiter } from "./flight.ts";
import { Shares } from "./shares.ts";
import { type ForwardFailure, type ForwardReply, STREAM } from "./types.ts";

/** Most clients of one sandbox that may wait for the same answer: when it comes they are all served in one go, and nobody else meanwhile. */
const MOST_IN_PARTY = 1024;

export class Clients {
  readonly shares = new Shares();
  #waiting = 0;
  readonly #counters: ForwarderCounters;
  readonly #most: number;

  /** At most `most` wait at any time. */
  constructor(counters: ForwarderCounters, most: number) {
    this.#counters = counters;
    this.#most = most;
  }

  /** One more waits for this question's answer. */
  add(flight: Flight, share: Share, waiter: Waiter): void {
    const party = partyOf(flight, share);
    if (party === undefined) flight.parties.push({ share, waiters: [waiter] });
    else party.waiters.push(waiter);
    this.shares.wait(share, 1);
    this.#waiting++;
  }

  /** They wait no longer; the caller replies to each. */
  take(flight: Flight): readonly Party[] {
    const { parties } = flight;
    flight.parties = [];
    for (const { share, waiters } of parties) this.#leave(share, waiters.length);
    return parties;
  }

  /** The same for one sandbox's clients. */
  takeOf(flight: Flight, share: Share): readonly Party[] {
    const taken = flight.parties.filter((p) => p.share === share);
    if (taken.length > 0) flight.parties = flight.parties.filter((p) => p.share !== share);
    for (const { waiters } of taken) this.#leave(share, waiters.length);
    return taken;
  }

  /** True if nobody more can wait. */
  get full(): boolean {
    return this.#waiting >= this.#most;
  }

  /** True if no more of this share's clients can wait for this flight. */
  isCrowded(flight: Flight, share: Share): boolean {
    const party = partyOf(flight, share);
    return party !== undefined && party.waiters.length >= MOST_IN_PARTY;
  }

  /**
   * Makes room for one more of this share's: some clients of the sandbox with most lose their places. They come back, to be
   * refused once the newcomer has been seen to: who is refused may ask again at once. None: it has its part.
   */
  makeRoom(share: Share, flights: Iterable<Flight>): readonly Party[] {
    const richest = this.shares.richestInWaiters(share, this.#most);
    if (richest === undefined) return NOBODY;
    for (const flight of flights) if (partyOf(flight, richest) !== undefined) return this.takeOf(flight, richest);
    return NOBODY;
  }

  deliver(parties: readonly Party[], outcome: Outcome) {
    if (!("octets" in outcome)) return this.#fail(parties, outcome);
    // The first one gets the octets themselves, so it comes last, when the copies are made.
    for (let p = parties.length - 1; p >= 0; p--) {
      const { waiters } = parties[p]!;
      for (let i = waiters.length - 1; i >= 0; i--) {
        const { request, reply } = waiters[i]!;
        reply(fitAnswer(outcome, request, i === 0 && p === 0));
      }
    }
  }

  /** The outcome of an earlier flight, which may be handed out again. */
  repeat({ request, reply }: Waiter, outcome: Outcome): void {
    if ("octets" in outcome) reply(fitAnswer(outcome, request, false));
    else reply(partFor(request.limit, outcome) ? fitAnswer(outcome.part!, request, false) : outcome);
  }

  deliverStale(parties: readonly Party[], entry: Entry): void {
    for (const { waiters } of parties) for (const waiter of waiters) this.replyStale(waiter, entry);
  }

  replyStale({ request, reply }: Waiter, entry: Entry): void {
    this.#counters.staleServed++;
    reply(staleAnswer(entry, request));
  }

  fail(reply: ForwardReply, failure: ForwardFailure): void {
    this.#counters.failures++;
    reply(failure);
  }

  refuse(reply: ForwardReply): void {
    this.#counters.refusedOverLimit++;
    reply(TOO_MANY);
  }

  /** They gave way to others. */
  refuseAll(parties: readonly Party[]): void {
    for (const { waiters } of parties) for (const { reply } of waiters) this.refuse(reply);
  }

  #fail(parties: readonly Party[], outcome: Outcome): void {
    for (const { waiters } of parties) for (const waiter of waiters) this.repeat(waiter, outcome);
  }

  #leave(share: Share, count: number): void {
    this.#waiting -= count;
    this.shares.wait(share, -count);
  }
}

/** Part of an answer is for clients over UDP: it says TC, and they may use what is there. Over a stream it would be a lie. */
const partFor = (limit: number, outcome: Outcome): boolean =>
  limit < STREAM && "part" in outcome && outcome.part !== undefined;

function partyOf({ parties }: Flight, share: Share): Party | undefined {
  for (const party of parties) if (party.share === share) return party;
  return undefined;
}

export const NOBODY: readonly Party[] = [];

const TOO_MANY: ForwardFailure = { rcode: REFUSED, ede: EDE_OTHER, text: "too many queries in flight" };
