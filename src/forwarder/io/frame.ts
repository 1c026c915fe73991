/** DNS over TCP: every message behind its length (RFC 1035 4.2.2). Chunks come as the network cut them. */

/** Collects one connection's bytes into messages. Holds one message at most, whatever the peer does. */
export class Deframer {
  readonly #message: (message: Buffer) => boolean;
  #length = -1;
  #high = -1;
  #body: Buffer = EMPTY;
  #filled = 0;

  /** `message` says whether to go on: once the connection is closed, what is left of a chunk is nobody's. */
  constructor(message: (message: Buffer) => boolean) {
    this.#message = message;
  }

  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#length < 0) {
        const octet = chunk[at++]!;
        if (this.#high < 0) this.#high = octet;
        else this.#begin((this.#high << 8) | octet);
      } else {
        const part = chunk.subarray(at, at + this.#length - this.#filled);
        this.#body.set(part, this.#filled);
        this.#filled += part.length;
        at += part.length;
      }
      if (this.#filled === this.#length && !this.#end()) return;
    }
  }

  #begin(length: number): void {
    this.#high = -1;
    this.#length = length;
    this.#filled = 0;
    this.#body = Buffer.allocUnsafeSlow(length); // 64 KiB at most
  }

  #end(): boolean {
    const message = this.#body;
    this.#length = -1;
    this.#filled = 0;
    this.#body = EMPTY;
    return this.#message(message);
  }
}

const EMPTY = Buffer.alloc(0);

/** The message with its length in front, as one buffer: two writes could become two segments. */
export function framed(message: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(message.length + 2);
  out.writeUInt16BE(message.length, 0);
  out.set(message, 2);
  return out;
}

/** Octets that wait to be written to a server before it is given up: it takes questions in, or it is no server. */
export const MOST_UNSENT = 1 << 17;
