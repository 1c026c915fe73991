/**
 * The forwarder as a state machine: it is told what happened (a request, a packet, an error, time gone by) and answers by
 * sending packets and replies. No timer, no socket, no promise: any event loop, or none, can drive it.
 */
import { BADVERS, EDE_NO_REACHABLE_AUTHORITY, EDE_OTHER, FORMERR, NOTIMP, SERVFAIL } from "../../wire/constants.ts";
import { headerRcode, isReply, ReplySurvey, replyId } from "../../wire/reply.ts";
import { bareAnswer, partOf } from "./answer.ts";
import { Asking } from "./asking.ts";
import { Cache, type Entry, freshAnswer, isFresh, isServable } from "./cache.ts";
import { Clients } from "./clients.ts";
import { loopText, rcodeName } from "./conclusion.ts";
import { noCounts } from "./counters.ts";
import { Failures } from "./failures.ts";
import { type Flight, type Lane, type Try, untriedServer } from "./flight.ts";
import { DEADLINE, Flights } from "./flights.ts";
import { Groups } from "./groups.ts";
import { judge } from "./judge.ts";
import { isKeepable, isWhole, questionKey } from "./key.ts";
import { Lanes } from "./lanes.ts";
import type { CoreOptions, ForwarderCore, OnHealth } from "./options.ts";
import { Probes } from "./probes.ts";
import { type ForwardFailure, type ForwardReply, type ForwardRequest, SHUTTING_DOWN } from "./types.ts";
import { answered, failed, type Server } from "./upstream-health.ts";

export const createForwarderCore = (options: CoreOptions): ForwarderCore => new Core(options);

class Core implements ForwarderCore {
  readonly counters = noCounts();
  readonly #now: () => number;
  readonly #groups = new Groups();
  readonly #lanes: Lanes;
  readonly #probes: Probes;
  readonly #clients: Clients;
  readonly #cache: Cache | undefined;
  readonly #failures: Failures | undefined;
  readonly #asking: Asking;
  readonly #flights: Flights;
  readonly #survey = new ReplySurvey();
  #closed = false;

  readonly #onHealth: OnHealth;

  constructor({ exchange, now, random, options = {}, onHealth = () => {} }: CoreOptions) {
    const { maxInFlight = 1024, cache = {} } = options;
    const { counters } = this;
    this.#now = now;
    this.#onHealth = onHealth;
    this.#lanes = new Lanes(exchange, random, DEADLINE, maxInFlight);
    this.#probes = new Probes(random);
    this.#clients = new Clients(counters, 16 * maxInFlight);
    this.#cache = cache === false ? undefined : new Cache(cache);
    this.#failures = cache === false ? undefined : new Failures();
    this.#asking = new Asking(this.#lanes, this.#probes, counters);
    this.#flights = new Flights({
      asking: this.#asking,
      clients: this.#clients,
      cache: this.#cache,
      failures: this.#failures,
      probes: this.#probes,
      counters,
      random,
      most: maxInFlight,
    });
  }

  get inFlight(): number {
    return this.#flights.size;
  }

  get servers(): Iterable<Server> {
    return this.#groups.servers;
  }

  forward(request: ForwardRequest, reply: ForwardReply) {
    if (this.#closed) return reply(SHUTTING_DOWN);
    if (!isWhole(request)) return reply(NOT_WHOLE);
    const now = this.#now();
    const looping = this.#probes.met(request.question);
    if (looping !== undefined) return this.#breakLoop(looping, reply, now);
    const group = this.#groups.of(request);
    if (group.servers.length === 0) return this.#clients.fail(reply, NO_UPSTREAM);
    const key = questionKey(group.prefix, request);
    const keepable = isKeepable(request);
    let stale: Entry | undefined;
    if (keepable && this.#cache !== undefined) {
      const entry = this.#cache.get(key);
      if (entry !== undefined && isFresh(entry, now)) {
        this.counters.cacheHits++;
        return reply(freshAnswer(entry, request, now));
      }
      this.counters.cacheMisses++;
      if (entry !== undefined && isServable(entry, now)) stale = entry;
      if (stale !== undefined && now < stale.retryAt) return this.#clients.replyStale({ request, reply }, stale);
    }
    const flight = this.#flights.get(key);
    if (flight !== undefined) return this.#flights.join(flight, { request, reply }, now);
    const failure = stale === undefined ? this.#failures?.get(key, now) : undefined;
    if (failure !== undefined) {
      this.counters.failureHits++;
      return this.#clients.repeat({ request, reply }, failure);
    }
    this.#flights.begin(key, keepable, group, { request, reply }, stale, now);
  }

  received(number: number, packet: Uint8Array) {
    const lane = this.#lanes.get(number);
    if (lane === undefined) return;
    const now = this.#now();
    const attempt = isReply(packet) ? lane.waiting.get(replyId(packet)) : undefined;
    if (attempt === undefined) return this.#stray(lane, now);
    const verdict = judge(packet, attempt, lane.kind, this.#survey);
    switch (verdict) {
      case "stray":
        return this.#stray(lane, now);
      case "bare":
        this.#bare(attempt, headerRcode(packet), now);
        return this.#stray(lane, now);
      case "respelled":
      case "broken":
        this.#doubt(attempt, now);
        return this.#stray(lane, now);
      case "answer":
      case "rejected":
      case "truncated":
        this.#lanes.settle(attempt);
        if (answered(attempt.server, now, lane.kind === "udp" ? attempt.sentAt : undefined))
          this.#onHealth(attempt.server, true);
        if (attempt.flight !== undefined) this.#take(attempt, attempt.flight, verdict, packet, now);
    }
  }

  failed(number: number, reason: string): void {
    const lane = this.#lanes.get(number);
    if (lane !== undefined) this.#broke(lane, reason, this.#now());
  }

  tick(): void {
    const now = this.#now();
    if (now >= this.#flights.wakeAt) this.#flights.wake(now);
    if (now < this.#lanes.sweepAt) return;
    this.#lanes.sweep(now, (attempt) => {
      this.counters.timeouts++;
      if (failed(attempt.server, now, attempt.sentAt)) this.#onHealth(attempt.server, false);
    });
  }

  nextDeadline(): number {
    return Math.min(this.#flights.wakeAt, this.#lanes.sweepAt);
  }

  flush(): void {
    this.#cache?.clear();
    this.#failures?.clear();
  }

  close(): void {
    this.#closed = true;
    this.#flights.close(SHUTTING_DOWN);
    this.#lanes.closeAll();
  }

  /** One try had its reply. */
  #take(attempt: Try, flight: Flight, verdict: "answer" | "rejected" | "truncated", packet: Uint8Array, now: number) {
    const { server, plain } = attempt;
    const { rcode, optAt } = this.#survey;
    if (verdict === "truncated") {
      attempt.state = "truncated";
      flight.part ??= partOf(packet, flight.request);
      if (!this.#asking.overTcp(flight, server, now)) return this.#flights.advance(flight, now);
      return this.#flights.schedule(flight);
    }
    const mute = optAt === 0 && (rcode === FORMERR || rcode === NOTIMP);
    if (plain && !mute && !server.abilities.isPlain(now)) {
      const silent = !flight.tries.some((t) => t.server === server && t.state === "rejected");
      server.abilities.answeredPlain(silent, now);
    }
    if (verdict === "answer") return this.#flights.land(flight, packet, this.#survey, now);
    attempt.state = "rejected";
    attempt.rcode = rcode;
    if (rcode < BADVERS) flight.rejection ??= bareAnswer(packet, this.#survey, flight.request);
    // Who knows no OPT record says so (RFC 6891 section 7), or says that its version is unheard of.
    if ((mute || rcode === BADVERS) && !plain && this.#asking.plain(flight, attempt, now))
      this.#flights.schedule(flight);
    else this.#flights.advance(flight, now);
  }

  /** An error that repeats no question. It ends nothing: the try may still be answered, while others are asked. */
  #bare(attempt: Try, rcode: number, now: number) {
    const { flight, server, plain, lane } = attempt;
    if (flight === undefined || attempt.state !== "waiting") return;
    attempt.state = "failed";
    attempt.reason = `answered ${rcodeName(rcode)} without the question`;
    const mute = !plain && (rcode === FORMERR || rcode === NOTIMP);
    if (mute && this.#asking.plain(flight, attempt, now)) return this.#flights.schedule(flight);
    const alone = lane.kind === "udp" && untriedServer(flight, now, true) === undefined;
    if (alone && this.#asking.overTcp(flight, server, now)) this.#flights.schedule(flight);
    else this.#flights.advance(flight, now);
  }

  /** A reply that may be forged, or can't be read: the same server over TCP, where nobody forges blindly. */
  #doubt(attempt: Try, now: number): void {
    const { flight, server, lane } = attempt;
    if (flight === undefined || attempt.state !== "waiting" || lane.kind === "tcp") return;
    attempt.state = "doubted";
    if (this.#asking.overTcp(flight, server, now)) this.#flights.schedule(flight);
    else this.#flights.advance(flight, now);
  }

  /** A message that answers nothing: the wait goes on, whoever sent it must not end it. One too many, and the lane is left. */
  #stray(lane: Lane, now: number) {
    this.counters.mismatched++;
    if (!this.#lanes.stray(lane)) return;
    if (lane.kind === "tcp") return this.#broke(lane, "unsolicited messages", now);
    const tries = [...lane.waiting.values()];
    this.#lanes.close(lane);
    for (const attempt of tries) this.#doubt(attempt, now);
  }

  #broke(lane: Lane, reason: string, now: number): void {
    const tries = [...lane.waiting.values()];
    // A server may close a connection just when we use it again, or serve one question only: that is no failure of its own.
    const served = lane.kind === "tcp" && lane.uses > tries.length;
    if (lane.kind === "tcp") this.#lanes.close(lane);
    else this.#lanes.retire(lane); // an answer may still come: the error may have been forged
    const last = tries.at(-1);
    // One error is one failure, however many wait.
    if (last !== undefined && !served && failed(lane.server, now, last.sentAt)) this.#onHealth(lane.server, false);
    for (const attempt of tries) {
      const { flight, server } = attempt;
      attempt.reason = reason;
      if (flight === undefined || attempt.state !== "waiting") continue;
      attempt.state = "failed";
      if (lane.kind === "tcp" && BROKEN_OFF.has(reason)) {
        this.#asking.reconnect(flight, server, served, now);
        this.#flights.schedule(flight);
      } else this.#flights.advance(flight, now);
    }
  }

  /** What only we and that server knew has come back to us as a question. */
  #breakLoop({ flight, server }: Try, reply: ForwardReply, now: number): void {
    this.counters.loops++;
    if (flight !== undefined) {
      for (const t of flight.tries) {
        if (t.server !== server) continue;
        this.#probes.end(t);
        t.state = "looping";
      }
      this.#flights.advance(flight, now);
    }
    this.#clients.fail(reply, { rcode: SERVFAIL, ede: EDE_OTHER, text: loopText(server) });
  }
}

/** How a connection ends that had been established: one that was refused ends otherwise. */
const BROKEN_OFF: ReadonlySet<string> = new Set(["connection closed", "ECONNRESET", "EPIPE"]);

const NO_UPSTREAM: ForwardFailure = {
  rcode: SERVFAIL,
  ede: EDE_NO_REACHABLE_AUTHORITY,
  text: "no upstream configured",
};
const NOT_WHOLE: ForwardFailure = { rcode: FORMERR, ede: EDE_OTHER, text: "not a whole query" };
