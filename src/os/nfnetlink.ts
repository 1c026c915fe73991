/**
 * Netlink to netfilter, in any network namespace. linux/netfilter/nfnetlink.h.
 *
 *   type      subsystem << 8 | command
 *   nfgenmsg  family 1, version 1, resource 2
 *
 * Numbers inside attributes are in network order.
 */
import { libc } from "./libc.ts";
import {
  NETLINK_NETFILTER,
  netlinkMessage,
  openNetlink,
  parseAttributes,
  receiveNetlink,
  sendNetlink,
} from "./netlink.ts";
import { inNetns } from "./netns.ts";

const GET_GENERATION = (10 << 8) | 16;
const NFTA_GEN_ID = 1;

/** Milliseconds until a socket is closed. Right after a change of rules, close would block for an RCU grace period; nft.ts says why. */
const LINGER = 250;

/** Calls `work` with a socket in the namespace (missing: this thread's). Throws an OsError. */
export function withNetfilter<T>(netns: string | undefined, work: (fd: number) => T): T {
  const open = () => openNetlink(NETLINK_NETFILTER);
  const fd = netns === undefined ? open() : inNetns(netns, open);
  try {
    return work(fd);
  } finally {
    setTimeout(() => libc().close(fd), LINGER).unref();
  }
}

export function sendNetfilter(fd: number, type: number, flags: number, family: number, attributes: readonly Buffer[]) {
  sendNetlink(fd, [netlinkMessage(type, flags, 0, [family], attributes)]);
}

/** How often nftables' rules were changed in the namespace of this thread; undefined if the kernel has no nftables. */
export const nftGeneration = (): number | undefined =>
  withNetfilter(undefined, (fd) => {
    let generation: number | undefined;
    sendNetfilter(fd, GET_GENERATION, 0, 0, []);
    receiveNetlink(fd, (type, payload) => {
      if (type >> 8 !== 0) generation = parseAttributes(payload.subarray(4)).get(NFTA_GEN_ID)?.readUInt32BE(0);
    });
    return generation;
  });
