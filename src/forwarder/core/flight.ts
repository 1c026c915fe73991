/**
 * One question on its way, and what it hangs together with: who waits for it, which servers have been tried over which lanes, whose share
 * it takes; whom to try next. Decides, but sends nothing.
 */
import type { Answer } from "./answer.ts";
import type { Entry } from "./cache.ts";
import type { LaneKind } from "./exchange.ts";
import type { Group } from "./groups.ts";
import type { ForwardFailure, ForwardReply, ForwardRequest } from "./types.ts";
import { healthy, type Server } from "./upstream-health.ts";

export interface Waiter {
  readonly request: ForwardRequest;
  readonly reply: ForwardReply;
}

/** The clients of one sandbox that wait for one answer, in the order they came. */
export interface Party {
  readonly share: Share;
  readonly waiters: Waiter[];
}

/** What came of it: an answer, or a failure, with what a truncated reply had for those who take that. */
export type Outcome = Answer | (ForwardFailure & { readonly part?: Answer | undefined });

export interface Flight {
  /** Shared by identical questions while this one is in flight. */
  readonly key: string;
  /** The answer may be kept. */
  readonly keepable: boolean;
  readonly group: Group;
  /** The question as its first client asked it. */
  readonly request: ForwardRequest;
  /** What is sent upstream, but for the id. */
  readonly query: Uint8Array;
  /** The share that it is counted against, of one of the sandboxes that wait; and its neighbours in that share's list. */
  share: Share;
  older: Flight | undefined;
  newer: Flight | undefined;
  /** Empty once a stale answer went out: then the question only refreshes the cache. */
  parties: Party[];
  readonly tries: Try[];
  /** Expired but servable answer. */
  readonly stale: Entry | undefined;
  staleAt: number;
  nextTryAt: number;
  readonly deadlineAt: number;
  /** The earliest of the three. */
  wakeAt: number;
  retransmissions: number;
  /** Kept for when nothing better comes: a truncated reply, and one that says no. */
  part: Answer | undefined;
  rejection: Answer | undefined;
  /** How often connections broke off under it, and the server to ask over a new one when `nextTryAt` comes. */
  breaks: number;
  broken: Server | undefined;
  /** Somebody asked the same while it was in flight: an upstream, perhaps, that comes back to us. */
  askedAgain: boolean;
}

/** One packet to one server. It outlives its flight until answered or too old: late answers still tell how fast a server is. */
export interface Try {
  flight: Flight | undefined;
  readonly query: Uint8Array;
  readonly questionEnd: number;
  readonly server: Server;
  readonly sentAt: number;
  /** It went without OPT record. */
  readonly plain: boolean;
  lane: Lane;
  id: number;
  /**
   * `failed` tries may still be answered: an ICMP error is easily forged, and so is a reply without question. `doubted` ones
   * got something that may be forged, and the question went out over TCP. The others had their answer.
   */
  state: "waiting" | "failed" | "doubted" | "rejected" | "truncated" | "looping";
  rcode: number;
  reason: string;
  /** Counted as unanswered. */
  overdue: boolean;
  /** The label of the loop probe that was sent because of it; "": none. */
  probe: string;
}

/** A socket towards one server, and the tries that wait on it. `Lanes` sees to it. */
export interface Lane {
  readonly number: number;
  readonly kind: LaneKind;
  readonly server: Server;
  readonly openedAt: number;
  usedAt: number;
  uses: number;
  /** Takes no new queries; closed when the last answer is in. */
  retired: boolean;
  /** Messages that answered nothing that was asked. */
  strays: number;
  /** By query id, oldest first. */
  readonly waiting: Map<number, Try>;
}

/** What one sandbox has in use of the forwarder. `Shares` sees to it. */
export interface Share {
  readonly asker: string;
  /** The flights it pays for: how many, and a list of them by `Flight.older` and `newer`. A set would cost more than all the rest. */
  flights: number;
  oldest: Flight | undefined;
  newest: Flight | undefined;
  /** Its clients that wait, in whichever flights. */
  waiters: number;
}

/** The server to ask next that was not asked yet, in configured order; healthy ones first, others only if `any`. */
export function untriedServer(flight: Flight, now: number, any: boolean): Server | undefined {
  let spare: Server | undefined;
  for (const server of flight.group.servers) {
    if (triesOf(flight, server) > 0) continue;
    if (healthy(server, now)) return server;
    spare ??= server;
  }
  return any ? spare : undefined;
}

/** The server to ask once more: of those that may still be asked again the one asked least, in configured order. */
export function repeatableServer(flight: Flight): Server | undefined {
  let best: Server | undefined;
  let least = MOST_TRIES;
  for (const server of flight.group.servers) {
    const count = triesOf(flight, server);
    if (count >= least || count === 0 || isDone(flight, server)) continue;
    best = server;
    least = count;
  }
  return best;
}

export const MOST_TRIES = 3;

/** True while some server may still answer. */
export const isPending = (flight: Flight): boolean => flight.tries.some((t) => t.state === "waiting");

/** True if this server was asked over TCP. */
export const wentByTcp = (flight: Flight, server: Server): boolean =>
  flight.tries.some((t) => t.server === server && t.lane.kind === "tcp");

/** Whether this server was asked without OPT record. */
export const wentPlain = (flight: Flight, server: Server): boolean =>
  flight.tries.some((t) => t.server === server && t.plain);

/** How often it was asked and said nothing. */
export function silentTries(flight: Flight, server: Server): number {
  let count = 0;
  for (const t of flight.tries) if (t.server === server && t.state === "waiting") count++;
  return count;
}

function triesOf(flight: Flight, server: Server): number {
  let count = 0;
  for (const t of flight.tries) if (t.server === server) count++;
  return count;
}

/** A server that answered, or whose sockets failed twice, is not asked again. */
function isDone(flight: Flight, server: Server): boolean {
  let failures = 0;
  for (const t of flight.tries) {
    if (t.server !== server || t.state === "waiting" || t.state === "doubted") continue;
    if (t.state !== "failed" || ++failures > 1) return true;
  }
  return false;
}
