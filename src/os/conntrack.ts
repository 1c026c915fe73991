/**
 * The kernel's table of connections, as far as they were led to another address: read, and entries removed. netlink(7),
 * linux/netfilter/nfnetlink_conntrack.h.
 *
 *   nlmsghdr    length 4, type 2 (subsystem << 8 | command), flags 2, sequence 4, port 4
 *   nfgenmsg    family 1, version 1, resource 2
 *   attributes  length 2, type 2, value padded to 4; addresses and ports in network order
 */
import { addressBytes, addressText } from "../model/address.ts";
import { OsError } from "./error.ts";
import { checked, libc } from "./libc.ts";
import { inNetns } from "./netns.ts";
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

const AF_NETLINK = 16;
const NETLINK_NETFILTER = 12;
const SOCK_RAW_CLOEXEC_NONBLOCK = 3 | 0x80000 | 0x800;
const NLM_F_REQUEST = 1;
const NLM_F_DUMP = 0x300;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const GET = (1 << 8) | 1;
const DELETE = (1 << 8) | 2;
const HEADER = 20;
const NESTED = 0x8000;

const CTA = { tupleOrig: 1, tupleReply: 2, status: 3, protoInfo: 4, id: 12, zone: 18, filter: 25 };
const IPS_ASSURED = 4;
/** Of enum tcp_conntrack: TIME_WAIT and CLOSE are over; of enum sctp_conntrack: CLOSED. */
const OVER: Readonly<Record<number, readonly number[]>> = { 6: [0, 7, 8], 132: [0, 1] };

/** Entries of the namespace (missing: this process's) that `by` answers. Throws an OsError. */
export const trackedBy = (netns: string | undefined, by: string): readonly Tracked[] =>
  withSocket(netns, (fd) => dump(fd, by).map(({ tracked }) => tracked));

/** Removes those entries that one of `by` answers and `which` picks; how many. Throws an OsError. */
export function forget(netns: string | undefined, by: ReadonlySet<string>, which: (entry: Tracked) => boolean): number {
  return withSocket(netns, (fd) => {
    const all = by.size > FEW ? dump(fd, undefined) : [...by].flatMap((address) => dump(fd, address));
    const entries = all.filter(({ tracked }) => by.has(tracked.by) && which(tracked));
    for (const { tracked, raw } of entries) send(fd, DELETE, 0, familyOf(tracked.by), raw);
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
  send(fd, GET, NLM_F_DUMP, family, family === AF_INET ? answeredBy(by!) : []);
  const entries: Entry[] = [];
  const room = Buffer.alloc(65_536);
  for (;;) {
    const length = checked(libc().read(fd, room, room.length), "read conntrack");
    for (let at = 0; at + 16 <= length; ) {
      const size = room.readUInt32LE(at);
      const type = room.readUInt16LE(at + 4);
      if (type === NLMSG_DONE || size < 16) return entries;
      if (type === NLMSG_ERROR) throw new OsError("conntrack", -room.readInt32LE(at + 16));
      const found = entry(Buffer.from(room.subarray(at + HEADER, at + size)));
      if (found !== undefined && (by === undefined || found.tracked.by === by)) entries.push(found);
      at += (size + 3) & ~3;
    }
  }
}

/**
 * Since Linux 5.8 the kernel looks for the address itself, which spares us most of a large table; before, it sends everything.
 * Not with IPv6: there its comparison is the wrong way round (ctnetlink_filter_match_tuple takes ipv6_addr_cmp for "equal").
 */
function answeredBy(ip4: string): readonly Buffer[] {
  const source = attribute(1, Buffer.from(addressBytes(ip4) ?? "", "latin1"));
  const tuple = attribute(CTA.tupleReply | NESTED, attribute(1 | NESTED, source));
  return [tuple, attribute(CTA.filter | NESTED, attribute(2, Buffer.from([1, 0, 0, 0])))];
}

function entry(message: Buffer): Entry | undefined {
  const all = attributes(message);
  const original = all.get(CTA.tupleOrig);
  const reply = all.get(CTA.tupleReply);
  if (original === undefined || reply === undefined) return undefined;
  const there = tuple(original);
  const status = all.get(CTA.status)?.readUInt32BE(0) ?? 0;
  const info = [...attributes(all.get(CTA.protoInfo)).values()][0];
  const state = attributes(info).get(1)?.[0];
  const over = OVER[there.protocol];
  const open = over === undefined ? (status & IPS_ASSURED) !== 0 : !over.includes(state ?? 0);
  const raw = [CTA.tupleOrig | NESTED, CTA.id, CTA.zone].flatMap((type) => {
    const value = all.get(type & ~NESTED);
    return value === undefined ? [] : [attribute(type, value)];
  });
  return { tracked: { protocol: there.protocol, to: there.to, port: there.port, by: tuple(reply).from, open }, raw };
}

function tuple(raw: Buffer): { from: string; to: string; protocol: number; port: number } {
  const parts = attributes(raw);
  const ip = attributes(parts.get(1));
  const proto = attributes(parts.get(2));
  const text = (bytes: Buffer | undefined) => (bytes === undefined ? "" : addressText(bytes.toString("latin1")));
  return {
    from: text(ip.get(1) ?? ip.get(3)),
    to: text(ip.get(2) ?? ip.get(4)),
    protocol: proto.get(1)?.[0] ?? 0,
    port: proto.get(3)?.readUInt16BE(0) ?? 0,
  };
}

function attributes(raw: Buffer | undefined): Map<number, Buffer> {
  const all = new Map<number, Buffer>();
  if (raw === undefined) return all;
  for (let at = 0; at + 4 <= raw.length; ) {
    const length = raw.readUInt16LE(at);
    if (length < 4) break;
    all.set(raw.readUInt16LE(at + 2) & 0x3fff, raw.subarray(at + 4, at + length));
    at += (length + 3) & ~3;
  }
  return all;
}

function attribute(type: number, value: Buffer): Buffer {
  const out = Buffer.alloc((4 + value.length + 3) & ~3);
  out.writeUInt16LE(4 + value.length, 0);
  out.writeUInt16LE(type, 2);
  value.copy(out, 4);
  return out;
}

const familyOf = (address: string): number => (address.includes(":") ? AF_INET6 : AF_INET);

function send(fd: number, type: number, flags: number, family: number, attributes: readonly Buffer[]): void {
  const header = Buffer.alloc(HEADER);
  const message = Buffer.concat([header, ...attributes]);
  message.writeUInt32LE(message.length, 0);
  message.writeUInt16LE(type, 4);
  message.writeUInt16LE(NLM_F_REQUEST | flags, 6);
  message[16] = family;
  checked(libc().write(fd, message, message.length), "write conntrack");
}

function withSocket<T>(netns: string | undefined, work: (fd: number) => T): T {
  const { socket, close } = libc();
  const open = () => checked(socket(AF_NETLINK, SOCK_RAW_CLOEXEC_NONBLOCK, NETLINK_NETFILTER), "socket conntrack");
  const fd = netns === undefined ? open() : inNetns(netns, open);
  try {
    return work(fd);
  } finally {
    // Right after a change of rules this would block for an RCU grace period; nft.ts says why.
    setTimeout(() => close(fd), LINGER).unref();
  }
}

/** Milliseconds until a socket is closed. */
const LINGER = 250;
