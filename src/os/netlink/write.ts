/** Netlink messages as octets (connection.ts draws them), one after the other in memory that grows. */
import { addressBytes } from "../../model/address.ts";

/** Of the type of an attribute: its value is attributes. */
const NESTED = 0x8000;
const HEADER = 16;

/**
 * Numbers that do not fit throw, as does an attribute of more than 65 535 octets: those are mistakes of ours, nothing that is written
 * comes from elsewhere.
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
    this.#octets.writeUInt32LE(this.#end - at, at);
    this.#octets.writeUInt16LE(type, at + 4);
    this.#octets.writeUInt16LE(flags, at + 6);
    return this;
  }

  /** An attribute of attributes. */
  nested(type: number, attributes: Write): this {
    const at = this.#take(4);
    attributes(this);
    this.#octets.writeUInt16LE(this.#end - at, at);
    this.#octets.writeUInt16LE(type | NESTED, at + 2);
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
    const length = Buffer.byteLength(value);
    const at = this.#value(type, length + 1);
    this.#octets.write(value, at);
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
    if (typeof value === "string") this.#octets.latin1Write(value, at);
    else this.#octets.set(value, at);
    return this;
  }

  /** Attributes that were written elsewhere. */
  append(attributes: Uint8Array): this {
    const at = this.#take(attributes.length);
    this.#octets.set(attributes, at);
    return this;
  }

  #number(type: number, value: number, size: 1 | 2 | 4): this {
    const at = this.#value(type, size); // first, as everywhere here: the octets may move
    this.#octets.writeUIntLE(value, at, size);
    return this;
  }

  #networkNumber(type: number, value: number, size: 2 | 4): this {
    const at = this.#value(type, size);
    this.#octets.writeUIntBE(value, at, size);
    return this;
  }

  /** Where the value of a new attribute goes. */
  #value(type: number, length: number): number {
    const at = this.#take(4 + align(length));
    this.#octets.writeUInt16LE(4 + length, at);
    this.#octets.writeUInt16LE(type, at + 2);
    return at + 4;
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

/** Writes attributes. */
type Write = (to: MessageWriter) => void;

const align = (n: number): number => (n + 3) & ~3;

declare global {
  /** Node has it on every Buffer, its types do not. */
  interface Buffer {
    latin1Write(value: string, at: number): number;
  }
}
