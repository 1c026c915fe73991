/**
 * The kernel's table of connections, as far as they were led to another address: read, and entries removed.
 * linux/netfilter/nfnetlink_conntrack.h.
 */
import { addressBytes } from "../../model/address.ts";
import { AF_INET, socketFamily } from "../sockaddr.ts";
import type { Netlink } from "./connection.ts";
import { NFGENMSG, withNetfilter } from "./nfnetlink.ts";
import { type Attributes, parseAttributes } from "./read.ts";
import { MessageWriter } from "./write.ts";

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
const GET_COUNT = (1 << 8) | 5;

const OP = "conntrack";

const CTA = { tupleOrig: 1, tupleReply: 2, status: 3, protoInfo: 4, id: 12, zone: 18, filter: 25 };
const TUPLE = { ip: 1, proto: 2 };
const IP = { source4: 1, destination4: 2, source6: 3, destination6: 4 };
const PROTO = { number: 1, destination: 3 };
const COUNT = 1;
const IPS_ASSURED = 4;
/** Where its state is in the attributes of a protocol, and enum tcp_conntrack's TIME_WAIT and CLOSE, enum sctp_conntrack's CLOSED. */
const OVER: Readonly<Record<number, { readonly info: number; readonly states: readonly number[] }>> = {
  6: { info: 1, states: [0, 7, 8] },
  132: { info: 3, states: [0, 1] },
};

/**
 * A container may fill its table with whatever it likes, as far as the kernel lets it (262 144 entries, usually, of all
 * namespaces together). What is beyond this is not seen; it ends by itself.
 */
const LIMITS = { most: 64 << 20, longest: 1_000, partly: true };

/** Entries of the namespace (missing: this process's) that `by` answers. Throws an OsError. */
export const trackedBy = (netns: string | undefined, by: string): readonly Tracked[] =>
  withNetfilter(netns, (netlink) => list(netlink, [by])).map(({ tracked }) => tracked);

/** Removes those entries that one of `by` answers and `which` picks; how many. Throws an OsError. */
export function forget(netns: string | undefined, by: ReadonlySet<string>, which: (entry: Tracked) => boolean): number {
  const entries = withNetfilter(netns, (netlink) => found(netlink, [...by])).filter(({ tracked }) => which(tracked));
  if (entries.length === 0) return 0;
  const to = new MessageWriter();
  for (const { tracked, original, id, zone } of entries)
    to.message(DELETE, 0, nfgenmsg(socketFamily(tracked.by)), () => {
      to.nested(CTA.tupleOrig, () => to.append(original));
      if (id !== undefined) to.raw(CTA.id, id);
      if (zone !== undefined) to.raw(CTA.zone, zone);
    });
  const refusals = withNetfilter(netns, (netlink) => netlink.execute(OP, to)); // ENOENT: it ended meanwhile
  return refusals.filter((refusal) => refusal === undefined).length;
}

/**
 * To list anything, the kernel walks through the table of all namespaces (10 ms and more), so an empty one is not listed. Where there is much,
 * a few addresses that the kernel can look for by itself are asked for one by one; else everything is.
 */
function found(netlink: Netlink, by: readonly string[]): readonly Entry[] {
  const count = countIn(netlink);
  if (count === 0) return [];
  const single = count > MANY && by.length <= FEW && by.every((address) => socketFamily(address) === AF_INET);
  return single ? by.flatMap((address) => (netlink.spent ? [] : list(netlink, [address]))) : list(netlink, by);
}

const FEW = 4;
const MANY = 5_000;

/** Entries of the connection's namespace. */
const countIn = (netlink: Netlink): number =>
  parseAttributes(netlink.ask(OP, new MessageWriter(20).message(GET_COUNT, 0, nfgenmsg(0))).subarray(NFGENMSG)).be32(
    COUNT,
  ) ?? MANY;

export interface Entry {
  readonly tracked: Tracked;
  /** What names it, as it came. */
  readonly original: Buffer;
  readonly id: Buffer | undefined;
  readonly zone: Buffer | undefined;
}

/** Those that one of `by` answers. */
function list(netlink: Netlink, by: readonly string[]): Entry[] {
  const family = by.length === 1 ? socketFamily(by[0]!) : 0;
  const to = new MessageWriter();
  to.message(GET, 0, nfgenmsg(family), () => {
    if (family === AF_INET) answeredBy(to, by[0]!);
  });
  const wanted = new Map(by.map((address) => [addressBytes(address) ?? "", address]));
  const read = (message: Buffer) => parseEntry(message.subarray(NFGENMSG), wanted);
  return netlink.dump(OP, to, read, LIMITS);
}

/**
 * Since Linux 5.8 the kernel looks for the address itself, which spares us most of a large table; before, it sends everything.
 * Not with IPv6: there its comparison is the wrong way round (ctnetlink_filter_match_tuple takes ipv6_addr_cmp for "equal").
 */
function answeredBy(to: MessageWriter, ip4: string): void {
  to.nested(CTA.tupleReply, () => to.nested(TUPLE.ip, () => to.address(IP.source4, ip4)));
  to.nested(CTA.filter, () => to.raw(2, [1, 0, 0, 0]));
}

/** From the attributes of one entry; undefined if none of `wanted` (text by octets) answers it: most of a large table. */
export function parseEntry(attributes: Buffer, wanted: ReadonlyMap<string, string>): Entry | undefined {
  const all = parseAttributes(attributes);
  const reply = all.nested(CTA.tupleReply).nested(TUPLE.ip);
  const by = wanted.get((reply.raw(IP.source4) ?? reply.raw(IP.source6))?.toString("latin1") ?? "");
  if (by === undefined) return undefined;
  const original = all.raw(CTA.tupleOrig);
  const there = parseAttributes(original);
  const ip = there.nested(TUPLE.ip);
  const to = ip.address(IP.destination4) ?? ip.address(IP.destination6);
  if (original === undefined || to === undefined) return undefined;
  const proto = there.nested(TUPLE.proto);
  const protocol = proto.u8(PROTO.number) ?? 0;
  const port = proto.be16(PROTO.destination) ?? 0;
  const tracked = { protocol, to, port, by, open: isOpen(all, protocol) };
  return { tracked, original, id: all.raw(CTA.id), zone: all.raw(CTA.zone) };
}

function isOpen(entry: Attributes, protocol: number): boolean {
  const over = OVER[protocol];
  if (over === undefined) return ((entry.be32(CTA.status) ?? 0) & IPS_ASSURED) !== 0;
  return !over.states.includes(entry.nested(CTA.protoInfo).nested(over.info).u8(1) ?? 0);
}

const nfgenmsg = (family: number): readonly number[] => [family, 0, 0, 0];
