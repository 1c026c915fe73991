/**
 * Netlink to netfilter, in any network namespace. linux/netfilter/nfnetlink.h.
 *
 *   type      subsystem << 8 | command
 *   nfgenmsg  family 1, version 1, resource 2
 *
 * Numbers inside attributes are in network order.
 */
import { OsError } from "../error.ts";
import { inNetns } from "../netns.ts";
import { placeOf } from "../place.ts";
import { checkClosing, closeInTurn, closeSlowly } from "../slow-close.ts";
import { TURNS } from "../turns.ts";
import { NETLINK_NETFILTER, Netlink } from "./connection.ts";
import { Attributes } from "./read.ts";
import { MessageWriter } from "./write.ts";

/** Octets of nfgenmsg. */
export const NFGENMSG = 4;

const GET_GENERATION = (10 << 8) | 16;
const GET_TABLE = (10 << 8) | 1;
const NFTA_GEN_ID = 1;
const NFTA_TABLE_NAME = 1;
const OP = "nftables generation";
const EBADMSG = 74;

/**
 * Milliseconds that a connection stays open after its last use. A namespace that is looked at twice a second so has one, which is
 * hardly ever closed: that may take minutes (slow-close.ts). And not never, since an open socket keeps a namespace alive that everyone
 * else has left.
 */
const LINGER = 1_500;

interface OpenConnection {
  readonly netlink: Netlink;
  /** Set anew with each use. */
  readonly timer: NodeJS.Timeout;
  /** Somebody uses it just now: whoever comes meanwhile has one of his own. */
  busy: boolean;
  /** It is to be closed, unless somebody uses it before it is the namespace's turn. */
  lingered: boolean;
}

/** One is enough, by namespace: another may come to be at the same path, but none at its inode while it is open here. */
const connections = new Map<string, OpenConnection>();
/** Namespaces that wait for their turn to have theirs closed. */
const lingering = new Set<string>();

/** Calls `work` with a connection in the namespace (missing: this thread's). Throws an OsError. */
export function withNetfilter<T>(netns: string | undefined, work: (netlink: Netlink) => T): T {
  const [place, netlink] = take(netns);
  try {
    return work(netlink);
  } finally {
    keep(place, netlink);
  }
}

/** How a transaction may have to wait: there may be one of a container's at work. */
export interface Patience {
  /** In one of the host's own namespaces: it waits for no container's. */
  readonly own: boolean;
  /** Milliseconds. */
  readonly longest: number;
}

/**
 * Calls `work` with a connection in the namespace that nobody else uses, when it is the namespace's turn. Rejects with an OsError:
 * ETIMEDOUT if it takes too long, which says nothing about what becomes of it.
 */
export async function inTransaction<T>(
  netns: string | undefined,
  { own, longest }: Patience,
  work: (netlink: Netlink) => Promise<T>,
): Promise<T> {
  const turn = placeAt(netns);
  const done = async (): Promise<T> => {
    const [place, netlink] = takeKnown(turn) ?? take(netns);
    try {
      return await work(netlink);
    } finally {
      keep(place, netlink);
    }
  };
  return TURNS[own ? "own" : "containers"].run(turn, done, longest);
}

function take(netns: string | undefined): readonly [place: string, netlink: Netlink] {
  const known = netns === undefined ? undefined : takeKnown(placeOf(netns));
  return known ?? inNetns(netns, () => takeKnown(placeHere()) ?? [placeHere(), open(placeHere())]);
}

function takeKnown(place: string | undefined): readonly [place: string, netlink: Netlink] | undefined {
  const known = place === undefined ? undefined : connections.get(place);
  if (place === undefined || known === undefined || known.busy) return undefined;
  known.busy = true;
  known.lingered = false;
  return [place, known.netlink];
}

/** One where a connection is open need not be entered, which costs more than all that is asked there. */
function placeAt(netns: string | undefined): string {
  const place = netns === undefined ? undefined : placeOf(netns);
  return place !== undefined && connections.has(place) ? place : inNetns(netns, placeHere);
}

const placeHere = (): string => placeOf("/proc/thread-self/ns/net")!;

function open(place: string): Netlink {
  checkClosing(place);
  return new Netlink(NETLINK_NETFILTER);
}

/** The namespace's own lingers. Not another, and none of which nobody knows what it says next. */
function keep(place: string, netlink: Netlink): void {
  const known = connections.get(place);
  const isKnown = known?.netlink === netlink;
  if (netlink.spent || (known !== undefined && !isKnown)) {
    if (isKnown) forget(place, known);
    closeSlowly(netlink.fd, place);
  } else if (isKnown) {
    known.busy = false;
    known.timer.refresh();
  } else connections.set(place, lingeringAt(place, netlink));
}

function forget(place: string, { timer }: OpenConnection): void {
  connections.delete(place);
  clearTimeout(timer);
}

function lingeringAt(place: string, netlink: Netlink): OpenConnection {
  const over = (): void => {
    if (known.busy) return;
    known.lingered = true;
    if (lingering.has(place)) return;
    lingering.add(place);
    closeInTurn(place, () => lingered(place));
  };
  const known = { netlink, timer: setTimeout(over, LINGER).unref(), busy: false, lingered: false };
  return known;
}

/** Of the namespace's connection, which is nobody's from here on. Undefined: it has been used, and lingers again. */
function lingered(place: string): number | undefined {
  lingering.delete(place);
  const known = connections.get(place);
  if (!known?.lingered) return undefined;
  forget(place, known);
  return known.netlink.fd;
}

/** How often nftables' rules were changed in the namespace (missing: this thread's); undefined if the kernel has no nftables. */
export function nftGeneration(netns?: string): number | undefined {
  try {
    return withNetfilter(netns, generationOf);
  } catch (error) {
    if (error instanceof OsError && error.op === OP) return undefined;
    throw error;
  }
}

/** nftables has this table, in the network namespace of this thread. */
export function hasTable(family: number, name: string): boolean {
  const to = new MessageWriter();
  to.message(GET_TABLE, 0, [family, 0, 0, 0], () => to.text(NFTA_TABLE_NAME, name));
  try {
    return withNetfilter(undefined, (netlink) => netlink.find("nftables table", to)) !== undefined;
  } catch (error) {
    if (error instanceof OsError) return false;
    throw error;
  }
}

/** In the connection's namespace. Throws an OsError. */
export function generationOf(netlink: Netlink): number {
  const generation = parseGeneration(netlink.ask(OP, GENERATION));
  if (generation === undefined) throw new OsError(OP, EBADMSG);
  return generation;
}

/** From nfgenmsg on. */
export const parseGeneration = (answer: Buffer): number | undefined =>
  new Attributes(answer, NFGENMSG).be32(NFTA_GEN_ID);

const GENERATION = new MessageWriter(20).message(GET_GENERATION, 0, [0, 0, 0, 0]);
