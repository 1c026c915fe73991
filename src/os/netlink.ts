/**
 * Netlink: messages to the kernel and its answers. netlink(7).
 *
 *   nlmsghdr    length 4, type 2, flags 2, sequence 4, port 4
 *   header      4 octets of the family's own (genlmsghdr, nfgenmsg)
 *   attributes  length 2 (with these four octets), type 2, value, padded to 4; a value may be attributes again
 *
 * Numbers are in the machine's byte order, which is little-endian wherever libc.ts loads.
 */
import { checked, libc } from "./libc.ts";

export const NETLINK_NETFILTER = 12;
export const NETLINK_GENERIC = 16;
const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC_NONBLOCK = 3 | 0x80000 | 0x800;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLM_F_REQUEST = 1;
export const NLM_F_ACK = 4;
export const NLM_F_DUMP = 0x300;
/** Of the type of an attribute: its value is attributes. */
export const NESTED = 0x8000;

const NLMSGHDR = 16;
const HEADER = 20;
const RECEIVE = 65_536;

/** In the network namespace of this thread; its owner closes it. Throws an OsError. */
export const openNetlink = (protocol: number): number =>
  checked(libc().socket(AF_NETLINK, SOCK_RAW_CLOEXEC_NONBLOCK, protocol), "socket", "netlink");

/** `own`: the family's own header, four octets. */
export function netlinkMessage(
  type: number,
  flags: number,
  sequence: number,
  own: readonly number[],
  attributes: readonly Buffer[],
): Buffer {
  const out = Buffer.concat([Buffer.alloc(HEADER), ...attributes]);
  out.writeUInt32LE(out.length, 0);
  out.writeUInt16LE(type, 4);
  out.writeUInt16LE(NLM_F_REQUEST | flags, 6);
  out.writeUInt32LE(sequence, 8);
  out.set(own, NLMSGHDR);
  return out;
}

export function sendNetlink(fd: number, messages: readonly Buffer[]): void {
  const all = Buffer.concat(messages);
  checked(libc().send(fd, all, all.length, 0), "send", "netlink");
}

/**
 * Reads what is there: the kernel has answered by the time it is asked, or answers a dump as it is read. `take` gets views of what
 * follows the nlmsghdr, good until it returns.
 */
export function receiveNetlink(fd: number, take: (type: number, payload: Buffer, sequence: number) => void): void {
  const room = Buffer.allocUnsafe(RECEIVE);
  const length = checked(libc().read(fd, room, room.length), "read", "netlink");
  for (let at = 0; at + NLMSGHDR <= length; ) {
    const size = room.readUInt32LE(at);
    if (size < NLMSGHDR) return;
    take(room.readUInt16LE(at + 4), room.subarray(at + NLMSGHDR, at + size), room.readUInt32LE(at + 8));
    at += align(size);
  }
}

/** One attribute; `value` is what the functions below make, or attributes put together (then `nested`). */
export function attribute(type: number, value: Buffer, nested = false): Buffer {
  const out = Buffer.alloc(align(4 + value.length));
  out.writeUInt16LE(4 + value.length, 0);
  out.writeUInt16LE(nested ? type | NESTED : type, 2);
  value.copy(out, 4);
  return out;
}

export function uint16(value: number): Buffer {
  const out = Buffer.alloc(2);
  out.writeUInt16LE(value);
  return out;
}

export function uint32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value);
  return out;
}

export const text = (value: string): Buffer => Buffer.from(`${value}\0`, "latin1");

/** The values of attributes by their type. Views, not copies. */
export function parseAttributes(from: Buffer | undefined): Map<number, Buffer> {
  const out = new Map<number, Buffer>();
  if (from === undefined) return out;
  for (let at = 0; at + 4 <= from.length; ) {
    const size = from.readUInt16LE(at);
    if (size < 4) break;
    out.set(from.readUInt16LE(at + 2) & TYPE, from.subarray(at + 4, at + size));
    at += align(size);
  }
  return out;
}

/** Without NESTED, and without "in network order", which everything of netfilter is. */
const TYPE = 0x3fff;

const align = (n: number): number => (n + 3) & ~3;
