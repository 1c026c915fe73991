/**
 * The hot path: one packet in, one answer out, from the sandbox's tables. No promise, no exception, no closure; what must
 * be asked upstream is handed to `forward`, which is the slow road and lives in forward.ts.
 */
import { BLOCKED, BLOCKED_ABOVE, FORWARD, NXDOMAIN as NO_NAME, NODATA, SEARCH } from "../scoping/outcome.ts";
import type { Scope } from "../scoping/scope.ts";
import {
  DOCKER_STYLE,
  OWN_STYLE,
  type OwnedSet,
  type Style,
  writeAnswer,
  writeError,
  writeNegative,
} from "../wire/answer.ts";
import {
  BADVERS,
  CLASS_ANY,
  CLASS_CHAOS,
  CLASS_IN,
  EDE_BLOCKED,
  EDE_NOT_AUTHORITATIVE,
  FORMERR,
  NOERROR,
  NXDOMAIN,
  REFUSED,
  SERVFAIL,
  TYPE_A,
  TYPE_AAAA,
  TYPE_AXFR,
  TYPE_IXFR,
  TYPE_OPT,
  TYPE_SRV,
} from "../wire/constants.ts";
import { copyQuery, DROP, parseQuery, Query } from "../wire/query.ts";
import { type RRSet, rdataOf } from "../wire/rrset.ts";
import { chaos, type Identity } from "./chaos.ts";

/** Say nothing to this packet. */
export const SILENT = 0;
/** The question is not ours: `forward` the packet. */
export const LATER = -1;

/** UDP answers above 512 octets go up to this size: what the peer says, within what its road carries unfragmented. */
export const MAX_UDP_LOOPBACK = 4096;
export const MAX_UDP_REMOTE = 1232;
/** Limit to pass for stream transports. */
export const MAX_TCP = 65_535;

/** What all packets of one data plane share. */
export interface Serving {
  /** What `serve` reads a packet into: its own, and of no meaning to anyone else. */
  readonly query: Query;
  /** The packet that LATER was said to last, and what it asks: so `forward` need not read it again. */
  readonly later: { packet: Uint8Array | undefined; readonly query: Query };
  readonly style: Style;
  readonly compat: "none" | "docker";
  readonly identity: Identity;
  /** SOA of negative answers; the serial is the revision, so it changes with the tables. */
  readonly soa: { readonly minimum: number; serial: number };
  readonly counters: ServeCounters;
}

export interface ServeCounters {
  queries: number;
  dropped: number;
  malformed: number;
  answered: number;
  nodata: number;
  nxdomain: number;
  refused: number;
  forwarded: number;
  /** Packets and connections that serving threw an exception for. */
  errors: number;
}

export const noServeCounts = (): ServeCounters => ({
  queries: 0,
  dropped: 0,
  malformed: 0,
  answered: 0,
  nodata: 0,
  nxdomain: 0,
  refused: 0,
  forwarded: 0,
  errors: 0,
});

export interface ServingOptions {
  readonly compat: "none" | "docker";
  /** Seconds a negative answer may be kept. */
  readonly negativeTtl: number;
  readonly identity: Identity;
}

export function createServing({ compat, negativeTtl, identity }: ServingOptions): Serving {
  return {
    query: new Query(),
    later: { packet: undefined, query: new Query() },
    style: compat === "docker" ? DOCKER_STYLE : OWN_STYLE,
    compat,
    identity,
    soa: { minimum: negativeTtl, serial: 0 },
    counters: noServeCounts(),
  };
}

/**
 * Answers `length` octets of `packet` into `out` and returns the answer's length, SILENT or LATER. `scope` undefined: the
 * packet comes from nobody we know. `maximum` is the transport's limit; over UDP the client's own is smaller or equal.
 */
export function serve(
  serving: Serving,
  packet: Uint8Array,
  length: number,
  maximum: number,
  scope: Scope | undefined,
  out: Uint8Array,
): number {
  const { query, counters, style } = serving;
  counters.queries++;
  const verdict = parseQuery(packet, length, query);
  if (verdict === DROP) {
    counters.dropped++;
    return SILENT;
  }
  const echoed = query.questionEnd || 12;
  for (let i = 0; i < echoed; i++) out[i] = packet[i]!;
  // Docker looks at no EDNS version.
  if (verdict !== NOERROR && !(verdict === BADVERS && serving.compat === "docker")) {
    counters.malformed++;
    return writeError(query, out, style, verdict);
  }
  if (scope === undefined) return refuse(serving, out, NOBODY);
  if (query.class !== CLASS_IN && query.class !== CLASS_ANY) return otherClass(serving, out, maximum);
  const { type } = query;
  if (type === TYPE_AXFR || type === TYPE_IXFR) return refuse(serving, out, NO_TRANSFER);
  if (type === TYPE_OPT) return writeError(query, out, style, FORMERR);

  const outcome = scope.lookup(query.key, type);
  if (outcome.count > 0) {
    counters.answered++;
    const additional = type === TYPE_SRV ? targets(outcome, scope) : undefined;
    return writeAnswer(query, out, limitOf(query, maximum), style, outcome, additional);
  }
  if (outcome === FORWARD) {
    counters.forwarded++;
    serving.later.packet = packet;
    copyQuery(query, serving.later.query);
    return LATER;
  }
  return absent(serving, scope, outcome, out);
}

/** There is no such record, and no upstream is asked for it. */
function absent(serving: Serving, scope: Scope, outcome: RRSet, out: Uint8Array): number {
  const { query, style, soa, counters } = serving;
  if (outcome === NODATA) {
    counters.nodata++;
    return writeNegative(query, out, style, NOERROR, soa, scope.apex(query.key));
  }
  if (outcome === NO_NAME) {
    counters.nxdomain++;
    return writeNegative(query, out, style, NXDOMAIN, soa, scope.apex(query.key));
  }
  return outside(serving, out, outcome);
}

/** Most octets the client takes (RFC 6891 6.2.3: below 512 counts as 512). */
export function limitOf(query: Query, maximum: number): number {
  if (maximum === MAX_TCP) return MAX_TCP;
  return query.edns ? Math.min(Math.max(query.udpSize, 512), maximum) : 512;
}

const NOBODY = { code: EDE_NOT_AUTHORITATIVE, text: "no sandbox for this address" };
const NO_TRANSFER = { code: EDE_NOT_AUTHORITATIVE, text: "no zone transfers" };
const INTERNAL = { code: EDE_BLOCKED, text: "internal network: nothing is forwarded" };

function refuse({ query, style, counters }: Serving, out: Uint8Array, ede: { code: number; text: string }): number {
  counters.refused++;
  return writeError(query, out, style, REFUSED, ede);
}

/** What is not ours and not forwarded either: the answer is nobody's, so the SOA is the root's. */
function outside(serving: Serving, out: Uint8Array, outcome: RRSet): number {
  const { query, style, soa, counters } = serving;
  if (outcome === SEARCH) {
    counters.nodata++;
    return writeNegative(query, out, style, NOERROR, soa, query.key.length);
  }
  if (outcome !== BLOCKED && outcome !== BLOCKED_ABOVE) return SILENT;
  // A sandbox with internal networks only: for it, nothing else exists. Docker says SERVFAIL, which clients retry.
  counters.nxdomain++;
  if (serving.compat === "docker") return writeError(query, out, style, SERVFAIL);
  return writeNegative(query, out, style, outcome === BLOCKED ? NXDOMAIN : NOERROR, soa, query.key.length, INTERNAL);
}

/** CHAOS has version.bind and id.server; nothing else lives outside class IN. */
function otherClass(serving: Serving, out: Uint8Array, maximum: number): number {
  const { query, style, identity } = serving;
  const set = query.class === CLASS_CHAOS ? chaos(query.key, query.type, identity) : undefined;
  if (set === undefined) return refuse(serving, out, NO_CLASS);
  return writeAnswer(query, out, limitOf(query, maximum), style, set);
}

const NO_CLASS = { code: EDE_NOT_AUTHORITATIVE, text: "only class IN is served" };

/** Addresses of the targets of SRV records, so that one query is enough (RFC 2782). */
function targets(srv: RRSet, scope: Scope): OwnedSet[] {
  const out: OwnedSet[] = [];
  for (const owner of new Set(rdataOf(srv).map((rdata) => rdata.slice(6, -1)))) {
    for (const type of [TYPE_A, TYPE_AAAA]) {
      const set = scope.lookup(owner, type);
      if (set.count > 0) out.push({ owner, set });
    }
  }
  return out;
}
