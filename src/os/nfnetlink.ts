/**
 * Netlink to netfilter, in any network namespace. linux/netfilter/nfnetlink.h.
 *
 *   type      subsystem << 8 | command
 *   nfgenmsg  family 1, version 1, resource 2
 *
 * Numbers inside attributes are in network order.
 */
import { close } from "node:fs";
import { OsError } from "./error.ts";
import { NETLINK_NETFILTER, Netlink } from "./netlink.ts";
import { parseAttributes } from "./netlink-read.ts";
import { MessageWriter } from "./netlink-write.ts";
import { inNetns } from "./netns.ts";

/** Octets of nfgenmsg. */
export const NFGENMSG = 4;

const GET_GENERATION = (10 << 8) | 16;
const NFTA_GEN_ID = 1;

/**
 * Milliseconds until a socket is closed: by another thread, since close waits until no transaction is at work in that namespace
 * (nft_rcv_nl_event takes its commit mutex), and a container can have one that takes seconds. Right after a change of rules it would
 * wait for an RCU grace period, too; nft.ts says why.
 */
const LINGER = 250;

/** Calls `work` with a connection in the namespace (missing: this thread's). Throws an OsError. */
export function withNetfilter<T>(netns: string | undefined, work: (netlink: Netlink) => T): T {
  const open = () => new Netlink(NETLINK_NETFILTER);
  const netlink = netns === undefined ? open() : inNetns(netns, open);
  try {
    return work(netlink);
  } finally {
    setTimeout(() => close(netlink.fd, () => {}), LINGER).unref();
  }
}

/** How often nftables' rules were changed in the namespace of this thread; undefined if the kernel has no nftables. */
export function nftGeneration(): number | undefined {
  try {
    return withNetfilter(undefined, (netlink) => parseGeneration(netlink.ask("nftables generation", GENERATION)));
  } catch (error) {
    if (error instanceof OsError && error.op === "nftables generation") return undefined;
    throw error;
  }
}

/** From nfgenmsg on. */
export const parseGeneration = (answer: Buffer): number | undefined =>
  parseAttributes(answer.subarray(NFGENMSG)).be32(NFTA_GEN_ID);

const GENERATION = new MessageWriter(20).message(GET_GENERATION, 0, [0, 0, 0, 0]);
