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
    const type = datagram.readUInt16LE(at + 4);
    const flags = datagram.readUInt16LE(at + 6);
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

/**
 * Attributes by type (the first, if there are several). They are looked for when asked for, since most never are, and nothing is copied: of
 * a list of thousands, each of which has a few, one object each is made.
 */
export class Attributes {
  readonly #from: Buffer;
  readonly #start: number;
  readonly #end: number;

  constructor(from: Buffer, start = 0, end = from.length) {
    this.#from = from;
    this.#start = start;
    this.#end = end;
  }

  has(type: number): boolean {
    return this.#find(type) >= 0;
  }

  u8(type: number): number | undefined {
    const at = this.#sized(type, 1);
    return at < 0 ? undefined : this.#from[at];
  }

  u16(type: number): number | undefined {
    const at = this.#sized(type, 2);
    return at < 0 ? undefined : this.#from.readUInt16LE(at);
  }

  u32(type: number): number | undefined {
    const at = this.#sized(type, 4);
    return at < 0 ? undefined : this.#from.readUInt32LE(at);
  }

  /** In network order, as everything of netfilter is. */
  be16(type: number): number | undefined {
    const at = this.#sized(type, 2);
    return at < 0 ? undefined : this.#from.readUInt16BE(at);
  }

  be32(type: number): number | undefined {
    const at = this.#sized(type, 4);
    return at < 0 ? undefined : this.#from.readUInt32BE(at);
  }

  /** Rounded beyond 2^53. */
  u64(type: number): number | undefined {
    const at = this.#sized(type, 8);
    return at < 0 ? undefined : Number(this.#from.readBigUInt64LE(at));
  }

  /** Rounded beyond 2^53. */
  be64(type: number): number | undefined {
    const at = this.#sized(type, 8);
    return at < 0 ? undefined : Number(this.#from.readBigUInt64BE(at));
  }

  /** Up to the first NUL. */
  text(type: number): string | undefined {
    const at = this.#find(type);
    if (at < 0) return undefined;
    const [value, whole] = [at + 4, at + sizeAt(this.#from, at)];
    const end = this.#from.indexOf(0, value);
    return this.#from.toString("utf8", value, end < 0 || end > whole ? whole : end);
  }

  /** Of either family. */
  address(type: number): string | undefined {
    const value = this.octets(type);
    return value?.length === 4 || value?.length === 16 ? addressText(value) : undefined;
  }

  /** As latin1 text. */
  octets(type: number): string | undefined {
    const at = this.#find(type);
    return at < 0 ? undefined : this.#from.latin1Slice(at + 4, at + sizeAt(this.#from, at));
  }

  /** A view. */
  raw(type: number): Buffer | undefined {
    const at = this.#find(type);
    return at < 0 ? undefined : this.#from.subarray(at + 4, at + sizeAt(this.#from, at));
  }

  /** The attributes in an attribute; none if it is missing. */
  nested(type: number): Attributes {
    const at = this.#find(type);
    return at < 0 ? NONE : new Attributes(this.#from, at + 4, at + sizeAt(this.#from, at));
  }

  /** It is a list, whose entries all have the same type: the attributes in each. */
  entries(): readonly Attributes[] {
    const out: Attributes[] = [];
    for (let at = this.#start; this.#isWhole(at); at += align(sizeAt(this.#from, at)))
      out.push(new Attributes(this.#from, at + 4, at + sizeAt(this.#from, at)));
    return out;
  }

  /** None of them is of another type than these. */
  hasOnly(types: ReadonlySet<number>): boolean {
    for (let at = this.#start; this.#isWhole(at); at += align(sizeAt(this.#from, at)))
      if (!types.has(typeAt(this.#from, at))) return false;
    return true;
  }

  /** Where it begins; -1: it is missing. */
  #find(type: number): number {
    for (let at = this.#start; this.#isWhole(at); at += align(sizeAt(this.#from, at)))
      if (typeAt(this.#from, at) === type) return at;
    return -1;
  }

  #isWhole(at: number): boolean {
    if (at + 4 > this.#end) return false;
    const size = sizeAt(this.#from, at);
    return size >= 4 && size <= this.#end - at;
  }

  /** Where its value begins; -1: it is missing, or of another length. */
  #sized(type: number, length: number): number {
    const at = this.#find(type);
    return at < 0 || sizeAt(this.#from, at) !== 4 + length ? -1 : at + 4;
  }
}

export const parseAttributes = (from: Buffer | undefined): Attributes =>
  from === undefined ? NONE : new Attributes(from);

/** Type and value of each, in order. The values are views. */
export function attributesIn(from: Buffer): (readonly [type: number, value: Buffer])[] {
  const out: (readonly [number, Buffer])[] = [];
  for (let at = 0; at + 4 <= from.length; ) {
    const size = sizeAt(from, at);
    if (size < 4 || size > from.length - at) break;
    out.push([typeAt(from, at), from.subarray(at + 4, at + size)]);
    at += align(size);
  }
  return out;
}

const sizeAt = (from: Buffer, at: number): number => from[at]! | (from[at + 1]! << 8);
const typeAt = (from: Buffer, at: number): number => (from[at + 2]! | (from[at + 3]! << 8)) & TYPE;

/** Without "nested", and without "in network order". */
const TYPE = 0x3fff;

const align = (n: number): number => (n + 3) & ~3;

const NONE = new Attributes(Buffer.alloc(0));
