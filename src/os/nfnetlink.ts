/**
 * Netlink to netfilter, in any network namespace. linux/netfilter/nfnetlink.h.
 *
 *   type      subsystem << 8 | command
 *   nfgenmsg  family 1, version 1, resource 2
 *
 * Numbers inside attributes are in network order.
 */
import { OsError } from "./error.ts";
import { NETLINK_NETFILTER, Netlink } from "./netlink.ts";
import { parseAttributes } from "./netlink-read.ts";
import { MessageWriter } from "./netlink-write.ts";
import { inNetns } from "./netns.ts";
import { closeSlowly, stillClosing } from "./slow-close.ts";

/** Octets of nfgenmsg. */
export const NFGENMSG = 4;

const GET_GENERATION = (10 << 8) | 16;
const NFTA_GEN_ID = 1;
const OP = "nftables generation";
const [EBUSY, EBADMSG] = [16, 74] as const;

/** Milliseconds until a socket is closed: right after a change of rules it would wait for an RCU grace period; nft.ts says why. */
const LINGER = 250;
/** Sockets of one namespace that may wait to be closed. */
const MOST_CLOSING = 16;

/** Calls `work` with a connection in the namespace (missing: this thread's). Throws an OsError: EBUSY if its rules are kept busy. */
export function withNetfilter<T>(netns: string | undefined, work: (netlink: Netlink) => T): T {
  const open = () => new Netlink(NETLINK_NETFILTER);
  const netlink = netns === undefined ? open() : inNetns(netns, open);
  try {
    if (stillClosing(netlink.fd) >= MOST_CLOSING) throw new OsError("netfilter", EBUSY);
    return work(netlink);
  } finally {
    setTimeout(() => closeSlowly(netlink.fd), LINGER).unref();
  }
}

/** How often nftables' rules were changed in the namespace of this thread; undefined if the kernel has no nftables. */
export function nftGeneration(): number | undefined {
  try {
    return withNetfilter(undefined, generationOf);
  } catch (error) {
    if (error instanceof OsError && error.op === OP) return undefined;
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
  parseAttributes(answer.subarray(NFGENMSG)).be32(NFTA_GEN_ID);

const GENERATION = new MessageWriter(20).message(GET_GENERATION, 0, [0, 0, 0, 0]);
