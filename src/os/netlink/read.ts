/**
 * Netlink messages read (connection.ts draws them). The kernel frames them, but what is in them may be a container's: a length that
 * leads outside ends the list that it stands in, a value of another length than its type has counts as missing, nothing throws.
 */
import { addressText } from "../../model/address.ts";

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** What follows the nlmsghdr. A view. */
  readonly payload: Buffer;
}

/** What the kernel has against a message. */
export interface Refusal {
  readonly errno: number;
  /** In words, or where in the message, if the kernel says so. */
  readonly why: string;
  /** Of the attribute that is wrong: octets from the beginning of the message. */
  readonly offset?: number;
}

const HEADER = 16;

/** The messages of one datagram. */
export function parseMessages(datagram: Buffer): Message[] {
  const out: Message[] = [];
  for (let at = 0; at + HEADER <= datagram.length; ) {
    const size = datagram.readUInt32LE(at);
    if (size < HEADER || size > datagram.length - at) break;
    const payload = datagram.subarray(at + HEADER, at + size);
    const [type, flags] = [datagram.readUInt16LE(at + 4), datagram.readUInt16LE(at + 6)];
    out.push({ type, flags, sequence: datagram.readUInt32LE(at + 8), payload });
    at += align(size);
  }
  return out;
}

const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
const NLMSGERR_ATTR = { text: 1, offset: 2 };
const EBADMSG = 74;

/**
 * What a message that ends an answer says is wrong; undefined if nothing is.
 *
 *   NLMSG_ERROR  error 4 (negative), the message that caused it (CAPPED: its nlmsghdr only), attributes if ACK_TLVS
 *   NLMSG_DONE   error 4, attributes if ACK_TLVS
 */
export function parseRefusal({ type, flags, payload }: Message): Refusal | undefined {
  if (payload.length < 4) return type === NLMSG_DONE ? undefined : { errno: EBADMSG, why: "" };
  const error = payload.readInt32LE(0);
  if (error >= 0) return undefined;
  const errno = error === -(2 ** 31) ? EBADMSG : -error;
  if (!(flags & NLM_F_ACK_TLVS)) return { errno, why: "" };
  let at = 4;
  if (type === NLMSG_ERROR) {
    const cause = flags & NLM_F_CAPPED || payload.length < 4 + HEADER ? HEADER : payload.readUInt32LE(4);
    at += Math.min(align(cause) >>> 0, payload.length);
  }
  const told = parseAttributes(payload.subarray(at));
  const offset = told.u32(NLMSGERR_ATTR.offset);
  const text = told.text(NLMSGERR_ATTR.text)?.replaceAll(/[^ -~]/g, "?");
  const why = text?.slice(0, LONGEST_TEXT) ?? (offset === undefined ? "" : `octet ${offset} of the message`);
  return offset === undefined ? { errno, why } : { errno, why, offset };
}

/** Some of the kernel's texts have names in them. */
const LONGEST_TEXT = 200;

/** Attributes by type (the first, if there are several). They are looked for when asked for, since most never are. */
export class Attributes {
  readonly #from: Buffer;

  constructor(from: Buffer) {
    this.#from = from;
  }

  u8(type: number): number | undefined {
    return this.#sized(type, 1)?.[0];
  }

  u16(type: number): number | undefined {
    return this.#sized(type, 2)?.readUInt16LE(0);
  }

  u32(type: number): number | undefined {
    return this.#sized(type, 4)?.readUInt32LE(0);
  }

  /** In network order, as everything of netfilter is. */
  be16(type: number): number | undefined {
    return this.#sized(type, 2)?.readUInt16BE(0);
  }

  be32(type: number): number | undefined {
    return this.#sized(type, 4)?.readUInt32BE(0);
  }

  /** Rounded beyond 2^53. */
  be64(type: number): number | undefined {
    const value = this.#sized(type, 8)?.readBigUInt64BE(0);
    return value === undefined ? undefined : Number(value);
  }

  /** Up to the first NUL. */
  text(type: number): string | undefined {
    const value = this.raw(type);
    const end = value?.indexOf(0) ?? -1;
    return value?.toString("utf8", 0, end < 0 ? value.length : end);
  }

  /** Of either family. */
  address(type: number): string | undefined {
    const value = this.raw(type);
    return value?.length === 4 || value?.length === 16 ? addressText(value.toString("latin1")) : undefined;
  }

  /** A view. */
  raw(type: number): Buffer | undefined {
    const from = this.#from;
    for (let at = 0; at + 4 <= from.length; ) {
      const size = from.readUInt16LE(at);
      if (size < 4 || size > from.length - at) break;
      if ((from.readUInt16LE(at + 2) & TYPE) === type) return from.subarray(at + 4, at + size);
      at += align(size);
    }
    return undefined;
  }

  /** The attributes in an attribute; none if it is missing. */
  nested(type: number): Attributes {
    return parseAttributes(this.raw(type));
  }

  #sized(type: number, length: number): Buffer | undefined {
    const value = this.raw(type);
    return value?.length === length ? value : undefined;
  }
}

export const parseAttributes = (from: Buffer | undefined): Attributes =>
  from === undefined ? NONE : new Attributes(from);

/** Type and value of each, in order: for lists, whose entries all have the same type. The values are views. */
export function attributesIn(from: Buffer): (readonly [type: number, value: Buffer])[] {
  const out: (readonly [number, Buffer])[] = [];
  for (let at = 0; at + 4 <= from.length; ) {
    const size = from.readUInt16LE(at);
    if (size < 4 || size > from.length - at) break;
    out.push([from.readUInt16LE(at + 2) & TYPE, from.subarray(at + 4, at + size)]);
    at += align(size);
  }
  return out;
}

/** Without "nested", and without "in network order". */
const TYPE = 0x3fff;

const align = (n: number): number => (n + 3) & ~3;

const NONE = new Attributes(Buffer.alloc(0));
