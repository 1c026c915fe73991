/**
 * Generic netlink: commands to a part of the kernel ("IPVS") and its answers. netlink(7), linux/genetlink.h.
 *
 *   nlmsghdr    length 4, type 2, flags 2, sequence 4, port 4
 *   genlmsghdr  command 1, version 1, reserved 2
 *   attributes  length 2 (with these four octets), type 2, value, padded to 4; a value may be attributes again
 *
 * Numbers are in the machine's byte order, which is little-endian wherever libc.ts loads.
 */

import { OsError } from "./error.ts";
import { checked, libc } from "./libc.ts";

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC_NONBLOCK = 3 | 0x80000 | 0x800;
const NETLINK_GENERIC = 16;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLM_F_DUMP = 0x300;
const HEADER = 20;
const NESTED = 0x8000;

const GENL_ID_CTRL = 16;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;

/** Answers of so many commands fit into a socket's receive buffer (208 kB); the next ones are sent after they were read. */
const BATCH = 100;
const RECEIVE = 65_536;

/** A command and its attributes. */
export interface GenericMessage {
  readonly command: number;
  readonly attributes: Buffer;
}

/** A connection to one family, in the network namespace where it was opened. Its owner closes it. */
export class Genetlink {
  readonly #fd: number;
  readonly #family: number;
  readonly #into = Buffer.alloc(RECEIVE);
  #sequence = 1;

  /** Throws an OsError, ENOENT if the kernel has no such family (its module is not loaded, say). */
  constructor(family: string) {
    this.#fd = checked(libc().socket(AF_NETLINK, SOCK_RAW_CLOEXEC_NONBLOCK, NETLINK_GENERIC), "socket", "netlink");
    try {
      const on = Buffer.alloc(4);
      on.writeUInt32LE(1);
      libc().setsockopt(this.#fd, SOL_NETLINK, NETLINK_CAP_ACK, on, 4); // errors without the message that caused them
      this.#family = this.#familyId(family);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Does the commands in order, whether one fails or not; the error number of each, 0 if it was done. */
  do(messages: readonly GenericMessage[]): number[] {
    const results: number[] = [];
    for (let at = 0; at < messages.length; at += BATCH) {
      const batch = messages.slice(at, at + BATCH);
      const first = this.#sequence;
      this.#send(batch.map((m) => this.#message(this.#family, NLM_F_REQUEST | NLM_F_ACK, m)));
      while (results.length < at + batch.length)
        this.#receive((type, payload, sequence) => {
          if (type === NLMSG_ERROR && sequence >= first) results[at + sequence - first] = -payload.readInt32LE(0);
        });
    }
    return results;
  }

  /** Asks for a list; the attributes of each entry. */
  dump(message: GenericMessage): Buffer[] {
    const entries: Buffer[] = [];
    this.#send([this.#message(this.#family, NLM_F_REQUEST | NLM_F_DUMP, message)]);
    for (let done = false; !done; )
      this.#receive((type, payload) => {
        if (type === NLMSG_DONE) done = true;
        else if (type === NLMSG_ERROR) throw new OsError("netlink", -payload.readInt32LE(0));
        else entries.push(Buffer.from(payload.subarray(4)));
      });
    return entries;
  }

  close(): void {
    libc().close(this.#fd);
  }

  #familyId(name: string): number {
    const attributes = attribute(CTRL_ATTR_FAMILY_NAME, text(name));
    this.#send([this.#message(GENL_ID_CTRL, NLM_F_REQUEST, { command: CTRL_CMD_GETFAMILY, attributes })]);
    let id = 0;
    this.#receive((type, payload) => {
      if (type === NLMSG_ERROR) throw new OsError("netlink family", -payload.readInt32LE(0), name);
      id = parseAttributes(payload.subarray(4)).get(CTRL_ATTR_FAMILY_ID)?.readUInt16LE(0) ?? 0;
    });
    return id;
  }

  #message(type: number, flags: number, { command, attributes }: GenericMessage): Buffer {
    const out = Buffer.alloc(HEADER + attributes.length);
    out.writeUInt32LE(out.length, 0);
    out.writeUInt16LE(type, 4);
    out.writeUInt16LE(flags, 6);
    out.writeUInt32LE(this.#sequence++, 8);
    out[16] = command;
    out[17] = 1; // version
    attributes.copy(out, HEADER);
    return out;
  }

  #send(messages: readonly Buffer[]): void {
    const all = Buffer.concat(messages);
    checked(libc().send(this.#fd, all, all.length, 0), "send", "netlink");
  }

  /** Reads what is there: the kernel has answered by the time `send` returns, or answers a dump as it is read. */
  #receive(take: (type: number, payload: Buffer, sequence: number) => void): void {
    const length = checked(libc().read(this.#fd, this.#into, RECEIVE), "read", "netlink");
    for (let at = 0; at + 16 <= length; ) {
      const size = this.#into.readUInt32LE(at);
      take(this.#into.readUInt16LE(at + 4), this.#into.subarray(at + 16, at + size), this.#into.readUInt32LE(at + 8));
      at += align(size);
    }
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
export function parseAttributes(from: Buffer): Map<number, Buffer> {
  const out = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= from.length; ) {
    const size = from.readUInt16LE(at);
    if (size < 4) break;
    out.set(from.readUInt16LE(at + 2) & ~NESTED, from.subarray(at + 4, at + size));
    at += align(size);
  }
  return out;
}

const align = (n: number): number => (n + 3) & ~3;
