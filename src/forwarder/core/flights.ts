/** The life of each question in flight: begun, joined, woken, ended; and who gives way when there are too many. */
import type { ReplySurvey } from "../../wire/reply.ts";
import { answerOf } from "./answer.ts";
import type { Asking } from "./asking.ts";
import type { Cache, Entry } from "./cache.ts";
import { type Clients, NOBODY } from "./clients.ts";
import { conclusion } from "./conclusion.ts";
import type { ForwarderCounters } from "./counters.ts";
import type { Failures } from "./failures.ts";
import type { Flight, Outcome, Party, Share, Waiter } from "./flight.ts";
import type { Group } from "./groups.ts";
import { looksLikeOurs, type Probes } from "./probes.ts";
import { writeQuery } from "./upstream-query.ts";

export const DEADLINE = 4_000;
/** RFC 8767 section 5: the client response timer. */
const STALE_AFTER = 1_800;
/** RFC 8767 section 5 allows up to 30 s between attempts at a name that failed; a container's network is back sooner. */
const RECHECK_AFTER = 5_000;
/** Most flights looked at to find one that nobody else waits for; and most that are counted against another sandbox if there is none. */
const MOST_LOOKED_AT = 16;

export interface FlightParts {
  readonly asking: Asking;
  readonly clients: Clients;
  readonly cache: Cache | undefined;
  readonly failures: Failures | undefined;
  readonly probes: Probes;
  readonly counters: ForwarderCounters;
  /** 16 bits nobody can predict. */
  readonly random: () => number;
  /** So many flights at a time. */
  readonly most: number;
}

export class Flights {
  readonly #parts: FlightParts;
  readonly #all = new Map<string, Flight>();
  #wakeAt = Number.POSITIVE_INFINITY;

  constructor(parts: FlightParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#all.size;
  }

  get wakeAt(): number {
    return this.#wakeAt;
  }

  get(key: string): Flight | undefined {
    return this.#all.get(key);
  }

  begin(key: string, keepable: boolean, group: Group, waiter: Waiter, stale: Entry | undefined, now: number) {
    const { clients, counters, random } = this.#parts;
    const { request } = waiter;
    const share = clients.shares.of(request.asker);
    const evicted = this.#isFull ? this.#makeRoom(share) : NOBODY;
    if (this.#isFull) {
      clients.refuse(waiter.reply);
      return clients.refuseAll(evicted);
    }
    const flight: Flight = {
      key,
      keepable,
      group,
      request,
      query: writeQuery(request, random),
      share,
      older: undefined,
      newer: undefined,
      parties: [],
      tries: [],
      stale,
      staleAt: stale === undefined ? Number.POSITIVE_INFINITY : now + STALE_AFTER,
      nextTryAt: Number.POSITIVE_INFINITY,
      deadlineAt: now + DEADLINE,
      wakeAt: now,
      retransmissions: 0,
      part: undefined,
      rejection: undefined,
      breaks: 0,
      broken: undefined,
      askedAgain: false,
    };
    this.#all.set(key, flight);
    clients.shares.take(share, flight);
    clients.add(flight, share, waiter);
    counters.forwarded++;
    this.advance(flight, now);
    if (evicted.length > 0) clients.refuseAll(evicted);
  }

  /** One more client asks what is in flight: it shares the answer, and nothing is sent but, perhaps, a probe. */
  join(flight: Flight, waiter: Waiter, now: number) {
    const { clients, counters, asking } = this.#parts;
    if (flight.stale !== undefined && flight.parties.length === 0) return clients.replyStale(waiter, flight.stale);
    const share = clients.shares.of(waiter.request.asker);
    const evicted = clients.full ? clients.makeRoom(share, this.#all.values()) : NOBODY;
    if (clients.full || clients.isCrowded(flight, share)) {
      clients.refuse(waiter.reply);
    } else {
      counters.coalesced++;
      clients.add(flight, share, waiter);
      flight.askedAgain = true;
      if (looksLikeOurs(flight, waiter.request)) asking.suspect(flight, now);
    }
    clients.refuseAll(evicted);
  }

  /** One try went wrong: asks the next server, or waits on for those already asked, or ends the flight. */
  advance(flight: Flight, now: number): void {
    if (this.#parts.asking.next(flight, now)) this.schedule(flight);
    else this.#giveUp(flight, now);
  }

  /** To be called when `nextTryAt` may have changed. */
  schedule(flight: Flight): void {
    flight.wakeAt = Math.min(flight.nextTryAt, flight.staleAt, flight.deadlineAt);
    if (flight.wakeAt < this.#wakeAt) this.#wakeAt = flight.wakeAt;
  }

  /** Sees to every flight whose deadline or next try is due. */
  wake(now: number): void {
    this.#wakeAt = Number.POSITIVE_INFINITY;
    for (const flight of this.#all.values()) {
      if (flight.wakeAt <= now) this.#wake(flight, now);
      else if (flight.wakeAt < this.#wakeAt) this.#wakeAt = flight.wakeAt;
    }
  }

  /** A final answer: everyone gets it, and it is kept if it may be. `survey` is what it says. */
  land(flight: Flight, packet: Uint8Array, survey: ReplySurvey, now: number): void {
    const { counters, cache, failures, clients } = this.#parts;
    const answer = answerOf(packet, survey, flight.request);
    counters.answered++;
    if (flight.keepable && (packet[2]! & 2) === 0) cache?.put(flight.key, answer, survey, now);
    failures?.remove(flight.key);
    clients.deliver(this.#end(flight), answer);
  }

  /** Ends all flights with this failure. */
  close(outcome: Outcome): void {
    for (const flight of this.#all.values()) this.#parts.clients.deliver(this.#end(flight), outcome);
    this.#wakeAt = Number.POSITIVE_INFINITY;
  }

  /** Time is up for something: the whole question, the client's patience with a stale answer at hand, or the last try. */
  #wake(flight: Flight, now: number) {
    const { asking, clients } = this.#parts;
    if (now >= flight.deadlineAt) return this.#giveUp(flight, now);
    if (now >= flight.nextTryAt) asking.more(flight, now);
    const stale = now >= flight.staleAt;
    if (stale) flight.staleAt = Number.POSITIVE_INFINITY;
    this.schedule(flight);
    if (stale) clients.deliverStale(clients.take(flight), flight.stale!);
  }

  #giveUp(flight: Flight, now: number) {
    const { clients, counters, failures } = this.#parts;
    const { stale } = flight;
    const outcome = conclusion(flight);
    const parties = this.#end(flight);
    if ("octets" in outcome) counters.answered++;
    else counters.failures++;
    if (stale === undefined) {
      failures?.put(flight.key, outcome, now);
      return clients.deliver(parties, outcome);
    }
    stale.retryAt = now + RECHECK_AFTER;
    clients.deliverStale(parties, stale);
  }

  #end(flight: Flight): readonly Party[] {
    const { clients, probes } = this.#parts;
    this.#all.delete(flight.key);
    clients.shares.give(flight.share, flight);
    for (const attempt of flight.tries) {
      probes.end(attempt);
      attempt.flight = undefined;
    }
    return clients.take(flight);
  }

  get #isFull(): boolean {
    return this.#all.size >= this.#parts.most || this.#parts.clients.full;
  }

  /** Makes room for one more flight of this share, if it has less than its equal part; returns the clients who lost theirs. */
  #makeRoom(share: Share): readonly Party[] {
    const { clients, most } = this.#parts;
    const evicted: Party[] = [];
    for (let i = 0; this.#all.size >= most && i < MOST_LOOKED_AT; i++) {
      const richest = clients.shares.richestInFlights(share, most);
      if (richest === undefined) return evicted;
      evicted.push(...this.#evict(leastMissed(richest)));
    }
    if (clients.full) evicted.push(...clients.makeRoom(share, this.#all.values()));
    return evicted;
  }

  /** No longer counts the flight against its sandbox: it ends, or, if others wait for it, is counted against one of those. */
  #evict(flight: Flight): readonly Party[] {
    const { clients } = this.#parts;
    const taken = clients.takeOf(flight, flight.share);
    const heir = flight.parties[0];
    if (heir === undefined) this.#end(flight);
    else {
      clients.shares.give(flight.share, flight);
      flight.share = heir.share;
      clients.shares.take(heir.share, flight);
    }
    return taken;
  }
}

/** The oldest flight of this share that nobody else waits for, else the oldest. The share has one at least. */
function leastMissed({ oldest }: Share): Flight {
  let looked = 0;
  for (let flight = oldest; flight !== undefined && looked < MOST_LOOKED_AT; flight = flight.newer, looked++)
    if (flight.parties.length <= 1) return flight;
  return oldest!;
}
