/**
 * The kernel's table of connections, as far as they were led to another address: read, and entries removed.
 * linux/netfilter/nfnetlink_conntrack.h.
 */
import { addressBytes, addressText } from "../model/address.ts";
import { OsError } from "./error.ts";
import { attribute, NLM_F_DUMP, NLMSG_DONE, NLMSG_ERROR, parseAttributes, receiveNetlink } from "./netlink.ts";
import { sendNetfilter, withNetfilter } from "./nfnetlink.ts";
import { AF_INET, AF_INET6 } from "./sockaddr.ts";

/** One entry. */
export interface Tracked {
  /** Number of the protocol: 6 TCP, 17 UDP, 132 SCTP. */
  readonly protocol: number;
  /** Where the client sent it. */
  readonly to: string;
  readonly port: number;
  /** Who answers. */
  readonly by: string;
  /** Neither side has ended it; with UDP: packets went both ways more than once. */
  readonly open: boolean;
}

const GET = (1 << 8) | 1;
const DELETE = (1 << 8) | 2;

const CTA = { tupleOrig: 1, tupleReply: 2, status: 3, protoInfo: 4, id: 12, zone: 18, filter: 25 };
const IPS_ASSURED = 4;
/** Of enum tcp_conntrack: TIME_WAIT and CLOSE are over; of enum sctp_conntrack: CLOSED. */
const OVER: Readonly<Record<number, readonly number[]>> = { 6: [0, 7, 8], 132: [0, 1] };

/** Entries of the namespace (missing: this process's) that `by` answers. Throws an OsError. */
export const trackedBy = (netns: string | undefined, by: string): readonly Tracked[] =>
  withNetfilter(netns, (fd) => dump(fd, by).map(({ tracked }) => tracked));

/** Removes those entries that one of `by` answers and `which` picks; how many. Throws an OsError. */
export function forget(netns: string | undefined, by: ReadonlySet<string>, which: (entry: Tracked) => boolean): number {
  return withNetfilter(netns, (fd) => {
    const all = by.size > FEW ? dump(fd, undefined) : [...by].flatMap((address) => dump(fd, address));
    const entries = all.filter(({ tracked }) => by.has(tracked.by) && which(tracked));
    for (const { tracked, raw } of entries) sendNetfilter(fd, DELETE, 0, familyOf(tracked.by), raw);
    return entries.length;
  });
}

/** So many addresses are asked for one by one; with more, everything is. */
const FEW = 4;

interface Entry {
  readonly tracked: Tracked;
  /** The attributes that name it, as they came. */
  readonly raw: readonly Buffer[];
}

/** Those that `by` answers; undefined: all. */
function dump(fd: number, by: string | undefined): Entry[] {
  const family = by === undefined ? 0 : familyOf(by);
  sendNetfilter(fd, GET, NLM_F_DUMP, family, family === AF_INET ? answeredBy(by!) : []);
  const entries: Entry[] = [];
  for (let done = false; !done; )
    receiveNetlink(fd, (type, payload) => {
      if (type === NLMSG_DONE) done = true;
      else if (type === NLMSG_ERROR) throw new OsError("conntrack", -payload.readInt32LE(0));
      else {
        const found = entry(Buffer.from(payload.subarray(4)));
        if (found !== undefined && (by === undefined || found.tracked.by === by)) entries.push(found);
      }
    });
  return entries;
}

/**
 * Since Linux 5.8 the kernel looks for the address itself, which spares us most of a large table; before, it sends everything.
 * Not with IPv6: there its comparison is the wrong way round (ctnetlink_filter_match_tuple takes ipv6_addr_cmp for "equal").
 */
function answeredBy(ip4: string): readonly Buffer[] {
  const source = attribute(1, Buffer.from(addressBytes(ip4) ?? "", "latin1"));
  const tuple = attribute(CTA.tupleReply, attribute(1, source, true), true);
  return [tuple, attribute(CTA.filter, attribute(2, Buffer.from([1, 0, 0, 0])), true)];
}

function entry(message: Buffer): Entry | undefined {
  const all = parseAttributes(message);
  const original = all.get(CTA.tupleOrig);
  const reply = all.get(CTA.tupleReply);
  if (original === undefined || reply === undefined) return undefined;
  const there = tuple(original);
  const status = all.get(CTA.status)?.readUInt32BE(0) ?? 0;
  const info = [...parseAttributes(all.get(CTA.protoInfo)).values()][0];
  const state = parseAttributes(info).get(1)?.[0];
  const over = OVER[there.protocol];
  const open = over === undefined ? (status & IPS_ASSURED) !== 0 : !over.includes(state ?? 0);
  const raw = [CTA.tupleOrig, CTA.id, CTA.zone].flatMap((type) => {
    const value = all.get(type);
    return value === undefined ? [] : [attribute(type, value, type === CTA.tupleOrig)];
  });
  return { tracked: { protocol: there.protocol, to: there.to, port: there.port, by: tuple(reply).from, open }, raw };
}

function tuple(raw: Buffer): { from: string; to: string; protocol: number; port: number } {
  const parts = parseAttributes(raw);
  const ip = parseAttributes(parts.get(1));
  const proto = parseAttributes(parts.get(2));
  const text = (bytes: Buffer | undefined) => (bytes === undefined ? "" : addressText(bytes.toString("latin1")));
  return {
    from: text(ip.get(1) ?? ip.get(3)),
    to: text(ip.get(2) ?? ip.get(4)),
    protocol: proto.get(1)?.[0] ?? 0,
    port: proto.get(3)?.readUInt16BE(0) ?? 0,
  };
}

const familyOf = (address: string): number => (address.includes(":") ? AF_INET6 : AF_INET);
