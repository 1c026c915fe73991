/** One question on its way: who waits for it, which servers have been tried, whom to try next. Decides, but sends nothing. */
import {
  EDE_NETWORK_ERROR,
  EDE_NO_REACHABLE_AUTHORITY,
  EDE_OTHER,
  FORMERR,
  NOTIMP,
  REFUSED,
  SERVFAIL,
} from "../wire/constants.ts";
import type { Entry } from "./cache.ts";
import type { Group } from "./groups.ts";
import type { Lane } from "./lanes.ts";
import type { ForwardFailure, ForwardReply, ForwardRequest } from "./types.ts";
import { healthy, looping, type Server } from "./upstream-health.ts";

export interface Waiter {
  readonly request: ForwardRequest;
  readonly reply: ForwardReply;
}

export interface Flight {
  /** Shared by identical questions while this one is in flight. */
  readonly key: string;
  /** "": the answer is not kept. */
  readonly kept: string;
  readonly group: Group;
  /** What is sent upstream, but for the id. */
  readonly request: ForwardRequest;
  /** Empty once a stale answer went out: then the question only refreshes the cache. */
  waiters: Waiter[];
  readonly tries: Try[];
  /** Expired but servable answer. */
  readonly stale: Entry | undefined;
  staleAt: number;
  nextTryAt: number;
  readonly deadlineAt: number;
  /** The earliest of the three. */
  wakeAt: number;
  retransmissions: number;
  /** Kept for when nothing better comes: a truncated reply, or one that says FORMERR or NOTIMP. */
  truncated: Uint8Array | undefined;
  rejection: Uint8Array | undefined;
  /** A packet that looked like our own query came back once. */
  suspected: boolean;
}

/** One packet to one server. It outlives its flight until answered or too old: late answers still tell how fast a server is. */
export interface Try {
  flight: Flight | undefined;
  readonly request: ForwardRequest;
  readonly server: Server;
  readonly sentAt: number;
  lane: Lane;
  id: number;
  /** `failed` tries may still be answered: an ICMP error is easily forged. `rejected` ones were, with an rcode of no use. */
  state: "waiting" | "failed" | "rejected" | "truncated" | "looping";
  rcode: number;
  reason: string;
  /** Counted as unanswered. */
  overdue: boolean;
}

/** The server to ask next that was not asked yet, in configured order; healthy ones first, others only if `any`. */
export function untriedServer(flight: Flight, now: number, any: boolean): Server | undefined {
  let spare: Server | undefined;
  for (const server of flight.group.servers) {
    if (looping(server, now) || triesOf(flight, server) > 0) continue;
    if (healthy(server, now)) return server;
    spare ??= server;
  }
  return any ? spare : undefined;
}

/** The server to ask once more: the one asked least, in configured order, that has not spoken its last word. */
export function repeatableServer(flight: Flight, now: number): Server | undefined {
  let best: Server | undefined;
  let least = MOST_TRIES;
  for (const server of flight.group.servers) {
    const count = triesOf(flight, server);
    if (count >= least || count === 0 || looping(server, now) || isDone(flight, server)) continue;
    best = server;
    least = count;
  }
  return best;
}

const MOST_TRIES = 3;

/** True while some server may still answer. */
export const isPending = (flight: Flight): boolean => flight.tries.some((t) => t.state === "waiting");

function triesOf(flight: Flight, server: Server): number {
  let count = 0;
  for (const t of flight.tries) if (t.server === server) count++;
  return count;
}

/** A server that answered, or whose sockets failed twice, is not asked again. */
function isDone(flight: Flight, server: Server): boolean {
  let failures = 0;
  for (const t of flight.tries) {
    if (t.server !== server || t.state === "waiting") continue;
    if (t.state !== "failed" || ++failures > 1) return true;
  }
  return false;
}

/** What to tell the clients when nothing is left to try: a reply that all servers agree on, or a failure with its reason. */
export function conclusion(flight: Flight, now: number): Uint8Array | ForwardFailure {
  if (flight.truncated !== undefined) return flight.truncated; // better than nothing: the client sees TC and may try TCP itself
  const { tries } = flight;
  const first = tries[0];
  if (
    first?.state === "rejected" &&
    (first.rcode === FORMERR || first.rcode === NOTIMP) &&
    flight.rejection !== undefined
  ) {
    if (tries.every((t) => t.state === "rejected" && t.rcode === first.rcode)) return flight.rejection;
  }
  return { rcode: SERVFAIL, ede: reasonCode(flight, now), text: reasonText(flight, now) };
}

/** RFC 8914 4.23: 22 covers servers that are silent or refuse; 4.24: 23 is for errors of the network. */
function reasonCode({ tries, group }: Flight, now: number): number {
  if (tries.some((t) => t.state === "looping" || (t.state === "rejected" && t.rcode !== REFUSED))) return EDE_OTHER;
  if (tries.length === 0 && group.servers.some((s) => looping(s, now))) return EDE_OTHER;
  return tries.length > 0 && tries.every((t) => t.state === "failed") ? EDE_NETWORK_ERROR : EDE_NO_REACHABLE_AUTHORITY;
}

function reasonText({ tries, group }: Flight, now: number): string {
  const parts: string[] = [];
  for (const server of group.servers.slice(0, MOST_NAMED)) {
    const last = tries.findLast((t) => t.server === server);
    if (last === undefined) {
      if (looping(server, now)) parts.push(loopText(server));
      continue;
    }
    switch (last.state) {
      case "waiting":
        parts.push(`${server.name} did not answer`);
        break;
      case "failed":
        parts.push(`${server.name}: ${last.reason}`);
        break;
      case "rejected":
        parts.push(`${server.name} answered ${RCODE_NAMES[last.rcode] ?? `rcode ${last.rcode}`}`);
        break;
      case "truncated":
        parts.push(`${server.name} answered truncated`);
        break;
      case "looping":
        parts.push(loopText(server));
        break;
    }
  }
  return parts.join(", ");
}

export const loopText = (server: Server): string => `forwarding loop through ${server.name}`;

const MOST_NAMED = 4;
const RCODE_NAMES: Readonly<Record<number, string>> = { 1: "FORMERR", 2: "SERVFAIL", 4: "NOTIMP", 5: "REFUSED" };
