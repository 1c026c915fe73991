/**
 * The forwarder as a state machine: it is told what happened (a request, a packet, an error, time gone by) and answers by
 * sending packets and replies. No timer, no socket, no promise: any event loop, or none, can drive it.
 */
import { EDE_NO_REACHABLE_AUTHORITY, EDE_OTHER, FORMERR, NOTIMP, REFUSED, SERVFAIL } from "../wire/constants.ts";
import { headerRcode, isReply, isTruncated, ReplySurvey, replyId, sameQuestion, surveyReply } from "../wire/reply.ts";
import { Cache, type Entry, freshAnswer, isFresh, isServable } from "./cache.ts";
import { Clients } from "./clients.ts";
import { withoutCookie } from "./cookie.ts";
import type { CoreOptions, ForwarderCore } from "./core-options.ts";
import { noCounts } from "./counters.ts";
import {
  conclusion,
  type Flight,
  isPending,
  loopText,
  repeatableServer,
  type Try,
  untriedServer,
  type Waiter,
} from "./flight.ts";
import { type Group, Groups } from "./groups.ts";
import { cacheKey, flightKey, isWhole } from "./key.ts";
import { type LaneKind, Lanes } from "./lanes.ts";
import { findOwnQuery, findTryAt } from "./loop.ts";
import type { ForwardFailure, ForwardReply, ForwardRequest } from "./types.ts";
import { answered, asked, failed, hedgeDelay, type Server } from "./upstream-health.ts";

export const createForwarderCore = (options: CoreOptions): ForwarderCore => new Core(options);

const DEADLINE = 4_000;
/** RFC 8767 section 5: the client response timer. */
const STALE_AFTER = 1_800;
/** RFC 8767 section 5 allows up to 30 s between attempts at a name that failed; a container's network is back sooner. */
const RECHECK_AFTER = 5_000;
const RETRANSMIT_AFTER = 1_000;
/** A server whose socket failed is asked once more, from another port: the error may have been forged. */
const RETRY_AFTER = 100;
const SKIP_LOOPING = 30_000;
const SWEEP_EVERY = 500;

class Core implements ForwarderCore {
  readonly counters = noCounts();
  readonly #now: () => number;
  readonly #lanes: Lanes;
  readonly #groups = new Groups();
  readonly #cache: Cache | undefined;
  readonly #flights = new Map<string, Flight>();
  readonly #survey = new ReplySurvey();
  readonly #maxInFlight: number;
  readonly #clients: Clients;
  #wakeAt = Number.POSITIVE_INFINITY;
  #sweepAt = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor({ exchange, now, random, options = {} }: CoreOptions) {
    const { maxInFlight = 1024, cache = {} } = options;
    this.#now = now;
    this.#maxInFlight = maxInFlight;
    this.#clients = new Clients(this.counters, 16 * maxInFlight);
    this.#lanes = new Lanes(exchange, random, DEADLINE, maxInFlight);
    this.#cache = cache === false ? undefined : new Cache(cache);
  }

  get inFlight(): number {
    return this.#flights.size;
  }

  get servers(): Iterable<Server> {
    return this.#groups.servers;
  }

  forward(given: ForwardRequest, reply: ForwardReply) {
    if (this.#closed) return reply(CLOSED);
    if (!isWhole(given)) return reply(NOT_WHOLE);
    const request = withoutCookie(given);
    const group = this.#groups.of(request);
    if (group.servers.length === 0) return this.#clients.fail(reply, NO_UPSTREAM);
    const now = this.#now();
    const kept = this.#cache === undefined ? "" : cacheKey(group.prefix, request);
    let stale: Entry | undefined;
    if (kept !== "") {
      const entry = this.#cache!.get(kept);
      if (entry !== undefined && isFresh(entry, now)) {
        this.counters.cacheHits++;
        return reply(freshAnswer(entry, request, now));
      }
      this.counters.cacheMisses++;
      if (entry !== undefined && isServable(entry, now)) stale = entry;
      if (stale !== undefined && now < stale.retryAt) return this.#clients.deliverStale([{ request, reply }], stale);
    }
    const loop = this.#loopWith(request, now);
    if (loop !== undefined) return this.#breakLoop(loop, reply, now);
    const key = flightKey(group.prefix, request, kept);
    const flight = this.#flights.get(key);
    if (flight !== undefined) return this.#join(flight, { request, reply });
    if (this.#flights.size >= this.#maxInFlight || this.#clients.full) return this.#clients.refuse(reply);
    this.#start(key, kept, group, { request, reply }, stale, now);
  }

  received(number: number, packet: Uint8Array): void {
    const lane = this.#lanes.get(number);
    if (lane === undefined) return;
    const attempt = isReply(packet) ? lane.waiting.get(replyId(packet)) : undefined;
    if (attempt === undefined || !this.#believes(packet, attempt)) {
      this.counters.mismatched++; // and the wait goes on: whoever sent this must not end it (RFC 5452 section 9.1)
      return;
    }
    const now = this.#now();
    this.#lanes.settle(attempt);
    answered(attempt.server, now, lane.kind === "udp" ? attempt.sentAt : undefined);
    const { flight } = attempt;
    if (flight === undefined) return; // another server was faster
    const rcode = headerRcode(packet);
    if (rcode === SERVFAIL || rcode === REFUSED || rcode === FORMERR || rcode === NOTIMP) {
      attempt.state = "rejected";
      attempt.rcode = rcode;
      if (rcode === FORMERR || rcode === NOTIMP) flight.rejection = packet;
      this.#advance(flight, now);
    } else if (isTruncated(packet) && lane.kind === "udp") {
      attempt.state = "truncated";
      flight.truncated = packet;
      this.counters.tcpRetries++;
      this.#ask(flight, attempt.server, "tcp", now);
    } else {
      this.#land(flight, packet, now);
    }
  }

  failed(number: number, reason: string): void {
    const lane = this.#lanes.get(number);
    if (lane === undefined) return;
    const now = this.#now();
    const tries = [...lane.waiting.values()];
    const reused = lane.kind === "tcp" && lane.uses > tries.length;
    if (lane.kind === "tcp") this.#lanes.close(lane);
    else this.#lanes.retire(lane); // an answer may still come: the error may have been forged
    const last = tries.at(-1);
    if (last !== undefined && !reused) failed(lane.server, now, last.sentAt); // one error is one failure, however many wait
    for (const attempt of tries) {
      const { flight, server } = attempt;
      const again = reused && attempt.reason === "";
      attempt.reason = reason;
      if (flight === undefined || attempt.state !== "waiting") continue;
      attempt.state = "failed";
      // A server may close an idle connection just when we use it (RFC 7766 section 6.2.4): that is no failure.
      if (again) this.#ask(flight, server, "tcp", now, reason);
      else this.#advance(flight, now);
    }
  }

  tick(): void {
    const now = this.#now();
    if (now >= this.#wakeAt) {
      this.#wakeAt = Number.POSITIVE_INFINITY;
      for (const flight of this.#flights.values()) {
        if (flight.wakeAt <= now) this.#wake(flight, now);
        else if (flight.wakeAt < this.#wakeAt) this.#wakeAt = flight.wakeAt;
      }
    }
    if (now >= this.#sweepAt) {
      this.#lanes.sweep(now, (attempt) => {
        this.counters.timeouts++;
        failed(attempt.server, now, attempt.sentAt);
      });
      this.#sweepAt = this.#lanes.size > 0 ? now + SWEEP_EVERY : Number.POSITIVE_INFINITY;
    }
  }

  nextDeadline(): number {
    return Math.min(this.#wakeAt, this.#sweepAt);
  }

  close(): void {
    this.#closed = true;
    for (const flight of this.#flights.values()) this.#clients.deliver(this.#end(flight), CLOSED);
    this.#lanes.closeAll();
    this.#wakeAt = this.#sweepAt = Number.POSITIVE_INFINITY;
  }

  #start(key: string, kept: string, group: Group, waiter: Waiter, stale: Entry | undefined, now: number): void {
    const flight: Flight = {
      key,
      kept,
      group,
      request: waiter.request,
      waiters: [],
      tries: [],
      stale,
      staleAt: stale === undefined ? Number.POSITIVE_INFINITY : now + STALE_AFTER,
      nextTryAt: Number.POSITIVE_INFINITY,
      deadlineAt: now + DEADLINE,
      wakeAt: now,
      retransmissions: 0,
      truncated: undefined,
      rejection: undefined,
      suspected: false,
    };
    this.#flights.set(key, flight);
    this.#clients.add(flight, waiter);
    this.counters.forwarded++;
    this.#advance(flight, now);
  }

  #join(flight: Flight, waiter: Waiter) {
    if (flight.stale !== undefined && flight.waiters.length === 0)
      return this.#clients.deliverStale([waiter], flight.stale);
    if (this.#clients.full) return this.#clients.refuse(waiter.reply);
    this.counters.coalesced++;
    this.#clients.add(flight, waiter);
  }

  /** Something went wrong with one try: ask the next server, or wait for those still asked, or give up. */
  #advance(flight: Flight, now: number) {
    const next = untriedServer(flight, now, true);
    if (next !== undefined) return this.#ask(flight, next, "udp", now);
    if (isPending(flight)) return;
    if (repeatableServer(flight, now) === undefined) return this.#giveUp(flight, now);
    flight.nextTryAt = Math.min(flight.nextTryAt, now + RETRY_AFTER);
    this.#schedule(flight);
  }

  /** Time is up for something: the whole question, the client's patience with a stale answer at hand, or the last try. */
  #wake(flight: Flight, now: number) {
    if (now >= flight.deadlineAt) return this.#giveUp(flight, now);
    if (now >= flight.nextTryAt) {
      flight.nextTryAt = Number.POSITIVE_INFINITY;
      this.#tryMore(flight, now);
    }
    if (now >= flight.staleAt) {
      flight.staleAt = Number.POSITIVE_INFINITY;
      this.#schedule(flight);
      return this.#clients.deliverStale(this.#clients.take(flight), flight.stale!);
    }
    this.#schedule(flight);
  }

  #tryMore(flight: Flight, now: number): void {
    const hedge = untriedServer(flight, now, false);
    const server = hedge ?? untriedServer(flight, now, true) ?? repeatableServer(flight, now);
    if (server === undefined) return;
    if (flight.tries.some((t) => t.server === server)) {
      this.counters.retransmitted++;
      flight.retransmissions++;
    } else {
      this.counters.hedged++;
    }
    this.#ask(flight, server, "udp", now);
  }

  #ask(flight: Flight, server: Server, kind: LaneKind, now: number, reason = ""): void {
    const attempt: Try = {
      flight,
      request: flight.request,
      server,
      sentAt: now,
      lane: undefined!, // the lane and the id are set by send()
      id: 0,
      state: "waiting",
      rcode: 0,
      reason,
      overdue: false,
    };
    flight.tries.push(attempt);
    asked(server, now);
    this.#lanes.send(attempt, kind, now);
    const more = untriedServer(flight, now, false) !== undefined;
    const patience = more ? hedgeDelay(server) * (kind === "tcp" ? 2 : 1) : RETRANSMIT_AFTER << flight.retransmissions;
    flight.nextTryAt = now + patience;
    if (now + SWEEP_EVERY < this.#sweepAt) this.#sweepAt = now + SWEEP_EVERY;
    this.#schedule(flight);
  }

  #schedule(flight: Flight): void {
    flight.wakeAt = Math.min(flight.nextTryAt, flight.staleAt, flight.deadlineAt);
    if (flight.wakeAt < this.#wakeAt) this.#wakeAt = flight.wakeAt;
  }

  /** The packet answers this very question and can be read; cut-off ones are only good for asking again. */
  #believes(packet: Uint8Array, { request }: Try): boolean {
    if (!sameQuestion(packet, request.packet, request.questionEnd)) return false;
    return isTruncated(packet) || surveyReply(packet, request.questionEnd, this.#survey);
  }

  /** A final answer: everyone gets it, and it is kept if it may be. `#survey` still holds what it says. */
  #land(flight: Flight, packet: Uint8Array, now: number): void {
    this.counters.answered++;
    if (flight.kept !== "" && !isTruncated(packet)) this.#cache!.put(flight.kept, packet, this.#survey, now);
    this.#clients.deliver(this.#end(flight), packet);
  }

  #giveUp(flight: Flight, now: number) {
    const { stale } = flight;
    const outcome = conclusion(flight, now);
    const waiters = this.#end(flight);
    if (outcome instanceof Uint8Array) this.counters.answered++;
    else this.counters.failures++;
    if (stale === undefined) return this.#clients.deliver(waiters, outcome);
    stale.retryAt = now + RECHECK_AFTER;
    this.#clients.deliverStale(waiters, stale);
  }

  #end(flight: Flight): readonly Waiter[] {
    this.#flights.delete(flight.key);
    for (const attempt of flight.tries) attempt.flight = undefined;
    return this.#clients.take(flight);
  }

  /** The try that this request came from, if it is our own question coming back. */
  #loopWith(request: ForwardRequest, now: number): Try | undefined {
    if (this.#groups.hasAddress(request.from)) {
      const attempt = findTryAt(this.#flights.values(), request);
      if (attempt !== undefined) return attempt;
    }
    if (!this.#lanes.isOut(replyId(request.packet))) return undefined;
    const attempt = findOwnQuery(this.#flights.values(), request);
    if (attempt === undefined || attempt.flight!.suspected) return attempt;
    // One packet in 65536 from a client that asks the same has the same id by chance. Ask again under another id to be sure.
    attempt.flight!.suspected = true;
    this.#ask(attempt.flight!, attempt.server, "udp", now);
    return undefined;
  }

  #breakLoop(attempt: Try, reply: ForwardReply, now: number): void {
    const { flight, server } = attempt;
    this.counters.loops++;
    server.loopingUntil = now + SKIP_LOOPING;
    for (const t of flight!.tries) if (t.server === server) t.state = "looping";
    this.#clients.fail(reply, { rcode: SERVFAIL, ede: EDE_OTHER, text: loopText(server) });
    if (this.#flights.get(flight!.key) === flight) this.#advance(flight!, now);
  }
}

const NO_UPSTREAM: ForwardFailure = {
  rcode: SERVFAIL,
  ede: EDE_NO_REACHABLE_AUTHORITY,
  text: "no upstream configured",
};
const CLOSED: ForwardFailure = { rcode: SERVFAIL, ede: EDE_OTHER, text: "shutting down" };
const NOT_WHOLE: ForwardFailure = { rcode: FORMERR, ede: EDE_OTHER, text: "not a whole query" };
