/** Netlink messages as octets (connection.ts draws them), one after the other in memory that grows. */
import { addressBytes } from "../../model/address.ts";

/** Of the type of an attribute: its value is attributes. */
const NESTED = 0x8000;
const HEADER = 16;

/**
 * Numbers that do not fit throw, as does an attribute of more than 65 535 octets: those are mistakes of ours, nothing that is written
 * comes from elsewhere. Octets are put in one by one: for the few that a value has, node's own functions take several times as long.
 */
export class MessageWriter {
  /** Where each message begins. */
  readonly starts: number[] = [];
  #octets: Buffer;
  #end = 0;

  constructor(room = 512) {
    this.#octets = Buffer.alloc(room);
  }

  /** All that was written. A view: good until more is written. */
  get octets(): Buffer {
    return this.#octets.subarray(0, this.#end);
  }

  /** A message; `own`: the family's own header. Sequence and the flags of every request are put in when it is sent. */
  message(type: number, flags: number, own: Uint8Array | readonly number[], attributes?: Write): this {
    const at = this.#take(HEADER + align(own.length));
    this.starts.push(at);
    this.#octets.set(own, at + HEADER);
    attributes?.(this);
    putNumber(this.#octets, at, this.#end - at, 4);
    putNumber(this.#octets, at + 4, type, fitting(type, 2));
    putNumber(this.#octets, at + 6, flags, fitting(flags, 2));
    return this;
  }

  /** An attribute of attributes. */
  nested(type: number, attributes: Write): this {
    const at = this.open();
    attributes(this);
    return this.close(at, type);
  }

  /** The same without a function: what is written between this and `close` is in it. */
  open(): number {
    return this.#take(4);
  }

  close(at: number, type: number): this {
    this.#header(at, this.#end - at, type | NESTED);
    return this;
  }

  u8(type: number, value: number): this {
    return this.#number(type, value, 1);
  }

  u16(type: number, value: number): this {
    return this.#number(type, value, 2);
  }

  u32(type: number, value: number): this {
    return this.#number(type, value, 4);
  }

  /** In network order, as everything of netfilter is. */
  be16(type: number, value: number): this {
    return this.#networkNumber(type, value, 2);
  }

  be32(type: number, value: number): this {
    return this.#networkNumber(type, value, 4);
  }

  be64(type: number, value: number): this {
    const at = this.#value(type, 8);
    this.#octets.writeBigUInt64BE(BigInt(value), at);
    return this;
  }

  /** With the NUL at its end. */
  text(type: number, value: string): this {
    const length = isAscii(value) ? value.length : Buffer.byteLength(value);
    const at = this.#value(type, length + 1);
    if (length === value.length) this.#characters(value, at);
    else this.#octets.write(value, at);
    return this;
  }

  /** Of either family; text that is no address throws. */
  address(type: number, value: string): this {
    const octets = addressBytes(value);
    if (octets === undefined) throw new Error(`"${value}" is no IP address`);
    return this.raw(type, octets);
  }

  /** As they are; a string is octets as latin1. */
  raw(type: number, value: Uint8Array | readonly number[] | string): this {
    const at = this.#value(type, value.length);
    if (typeof value === "string") this.#characters(value, at);
    else this.#octets.set(value, at);
    return this;
  }

  /** Attributes that were written elsewhere. */
  append(attributes: Uint8Array): this {
    const at = this.#take(attributes.length);
    this.#octets.set(attributes, at);
    return this;
  }

  /** Messages that were written elsewhere; `starts`: where each begins. */
  repeat(messages: Uint8Array, starts: readonly number[]): this {
    const at = this.#take(messages.length);
    this.#octets.set(messages, at);
    for (const start of starts) this.starts.push(at + start);
    return this;
  }

  #number(type: number, value: number, size: 1 | 2 | 4): this {
    const at = this.#value(type, fitting(value, size)); // first, as everywhere here: the octets may move
    putNumber(this.#octets, at, value, size);
    return this;
  }

  #networkNumber(type: number, value: number, size: 2 | 4): this {
    const at = this.#value(type, fitting(value, size));
    const octets = this.#octets;
    for (let i = 0; i < size; i++) octets[at + i] = value >>> (8 * (size - 1 - i));
    return this;
  }

  #characters(value: string, at: number): void {
    const octets = this.#octets;
    for (let i = 0; i < value.length; i++) octets[at + i] = value.charCodeAt(i);
  }

  /** Where the value of a new attribute goes. */
  #value(type: number, length: number): number {
    const at = this.#take(4 + align(length));
    this.#header(at, 4 + length, type);
    return at + 4;
  }

  #header(at: number, length: number, type: number): void {
    if (length > 0xffff) throw new RangeError(`an attribute of ${length} octets: 65535 are possible`);
    const octets = this.#octets;
    octets[at] = length;
    octets[at + 1] = length >> 8;
    octets[at + 2] = type;
    octets[at + 3] = type >> 8;
  }

  /** Where the next octets go, zeros until they are written. */
  #take(length: number): number {
    const at = this.#end;
    this.#end += length;
    if (this.#end > this.#octets.length) {
      const larger = Buffer.alloc(2 * this.#end);
      larger.set(this.#octets.subarray(0, at));
      this.#octets = larger;
    }
    return at;
  }
}

/** In the machine's order. */
export function putNumber(octets: Buffer, at: number, value: number, size: 1 | 2 | 4): void {
  for (let i = 0; i < size; i++) octets[at + i] = value >>> (8 * i);
}

/** Writes attributes. */
type Write = (to: MessageWriter) => void;

const align = (n: number): number => (n + 3) & ~3;

/** The size, if the number is of this size. */
function fitting<Size extends number>(value: number, size: Size): Size {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * size))
    throw new RangeError(`${value} is no number of ${size} octets`);
  return size;
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}
