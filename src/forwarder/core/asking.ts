/** Asking servers: which one next, when, over UDP or TCP, with or without OPT record. Everything that is sent is sent here. */
import type { ForwarderCounters } from "./counters.ts";
import type { LaneKind } from "./exchange.ts";
import {
  type Flight,
  isPending,
  MOST_TRIES,
  repeatableServer,
  silentTries,
  type Try,
  untriedServer,
  wentByTcp,
  wentPlain,
} from "./flight.ts";
import type { Lanes } from "./lanes.ts";
import type { Probes } from "./probes.ts";
import { asked, hedgeDelay, type Server } from "./upstream-health.ts";

const RETRANSMIT_AFTER = 1_000;
/** A server whose socket failed is asked once more, from another port: the error may have been forged. */
const RETRY_AFTER = 100;
/** A broken connection is replaced so often at once, then after pauses that double. */
const BREAKS_AT_ONCE = 3;

/** How a try goes out. Missing: over UDP, with an OPT record if the server is not known to know none. */
interface How {
  readonly kind?: LaneKind;
  /** On a connection that no other question shares. */
  readonly alone?: boolean;
  readonly plain?: boolean;
}

const USUAL: How = {};
const PLAIN: How = { plain: true };
const TCP: How = { kind: "tcp" };
const TCP_ALONE: How = { kind: "tcp", alone: true };

export class Asking {
  readonly #lanes: Lanes;
  readonly #probes: Probes;
  readonly #counters: ForwarderCounters;

  constructor(lanes: Lanes, probes: Probes, counters: ForwarderCounters) {
    this.#lanes = lanes;
    this.#probes = probes;
    this.#counters = counters;
  }

  /** Asks the next server, if there is one; false if nothing is left to wait for. */
  next(flight: Flight, now: number): boolean {
    const server = untriedServer(flight, now, true);
    if (server !== undefined) this.#ask(flight, server, now, USUAL);
    else if (!isPending(flight) && flight.broken === undefined) {
      if (repeatableServer(flight) === undefined) return false;
      flight.nextTryAt = Math.min(flight.nextTryAt, now + RETRY_AFTER);
    }
    return true;
  }

  /** Those asked are slow: asks one more, or one of them again. */
  more(flight: Flight, now: number) {
    flight.nextTryAt = Number.POSITIVE_INFINITY;
    const fresh = untriedServer(flight, now, true);
    if (fresh !== undefined) {
      this.#counters.hedged++;
      return this.#ask(flight, fresh, now, USUAL);
    }
    if (flight.broken !== undefined) {
      const { broken } = flight;
      flight.broken = undefined;
      return this.#ask(flight, broken, now, TCP_ALONE);
    }
    const server = repeatableServer(flight);
    if (server === undefined) return;
    this.#counters.retransmitted++;
    flight.retransmissions++;
    // Some old firewalls swallow what has an OPT record: the last try has none, where none was ever seen to pass.
    const last = silentTries(flight, server) === MOST_TRIES - 1 && !server.abilities.knowsEdns;
    this.#ask(flight, server, now, last ? PLAIN : USUAL);
    if (flight.askedAgain) this.suspect(flight, now);
  }

  /** Asks this server over TCP; false if it was already. */
  overTcp(flight: Flight, server: Server, now: number): boolean {
    if (wentByTcp(flight, server)) return false;
    this.#counters.tcpRetries++;
    this.#ask(flight, server, now, TCP);
    return true;
  }

  /** Asks this server without OPT record; false if it was already. */
  plain(flight: Flight, { server, lane }: Try, now: number): boolean {
    if (wentPlain(flight, server)) return false;
    this.#ask(flight, server, now, { plain: true, kind: lane.kind });
    return true;
  }

  /**
   * The connection ended and the question is not answered: over a new one, until the deadline (RFC 7766 section 6.2.4). At
   * once if the old one had served others, as servers do that want one question at a time; else other servers first.
   */
  reconnect(flight: Flight, server: Server, served: boolean, now: number) {
    const breaks = ++flight.breaks;
    if (served && breaks <= BREAKS_AT_ONCE) return this.#ask(flight, server, now, TCP_ALONE);
    const other = untriedServer(flight, now, true);
    if (other !== undefined) this.#ask(flight, other, now, USUAL);
    flight.broken = server;
    const at = now + (RETRY_AFTER << Math.min(breaks - 1, 5));
    flight.nextTryAt = isPending(flight) ? Math.min(flight.nextTryAt, at) : at;
  }

  /** Probes the servers that are waited for: does one of them come back to us? */
  suspect(flight: Flight, now: number): void {
    for (const attempt of flight.tries) {
      if (attempt.state === "waiting" && attempt.probe === "") this.#probe(attempt, now);
    }
  }

  #probe(attempt: Try, now: number): void {
    this.#counters.probes++;
    this.#lanes.send(this.#probes.begin(attempt, now), "udp", now);
  }

  #ask(flight: Flight, server: Server, now: number, { kind = "udp", alone = false, plain }: How): void {
    const attempt: Try = {
      flight,
      query: flight.query,
      questionEnd: flight.request.questionEnd,
      server,
      sentAt: now,
      plain: plain ?? server.abilities.isPlain(now),
      lane: undefined!, // the lane and the id are set by send()
      id: 0,
      state: "waiting",
      rcode: 0,
      reason: "",
      overdue: false,
      probe: "",
    };
    flight.tries.push(attempt);
    asked(server, now);
    this.#lanes.send(attempt, kind, now, alone);
    const more = untriedServer(flight, now, false) !== undefined;
    const patience = more ? hedgeDelay(server) * (kind === "tcp" ? 2 : 1) : RETRANSMIT_AFTER << flight.retransmissions;
    flight.nextTryAt = now + patience;
  }
}
