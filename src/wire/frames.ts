/** DNS over a stream: every message behind its length, two octets (RFC 1035 4.2.2), and the octets cut however the network likes. */

/** The octets of one connection that came and were not read as messages yet. Holds what came, and no more for being told of a length. */
export class Frames {
  #memory: Buffer = EMPTY;
  /** What waits: from here to there. */
  #from = 0;
  #until = 0;

  /** Takes a copy. Two messages' worth at most is ever held, if no more is pushed while a whole one waits. */
  push(octets: Uint8Array): void {
    if (this.#until + octets.length > this.#memory.length) this.#makeRoom(octets.length);
    this.#memory.set(octets, this.#until);
    this.#until += octets.length;
  }

  /** The next message is here to its end. */
  get whole(): boolean {
    const held = this.#until - this.#from;
    return held >= 2 && held >= 2 + this.#memory.readUInt16BE(this.#from);
  }

  /** The next message, where it lies: the next `push` writes over it. */
  next(): Buffer | undefined {
    if (!this.whole) {
      if (this.#from === this.#until && this.#memory.length > KEPT) this.#memory = EMPTY;
      if (this.#from === this.#until) this.#from = this.#until = 0;
      return undefined;
    }
    const start = this.#from + 2;
    this.#from = start + this.#memory.readUInt16BE(this.#from);
    return this.#memory.subarray(start, this.#from);
  }

  /** Pushes, then hands a copy of each whole message to `take`, until that says false: the connection is closed, say. */
  pushAndTake(octets: Uint8Array, take: (message: Buffer) => boolean): void {
    this.push(octets);
    for (;;) {
      const message = this.next();
      if (message === undefined || !take(Buffer.from(message))) return;
    }
  }

  /** Grows with what really comes: a length alone, 65 535 say, must not cost us that much. */
  #makeRoom(more: number): void {
    const held = this.#memory.subarray(this.#from, this.#until);
    const needed = held.length + more;
    const memory = Buffer.allocUnsafeSlow(needed <= KEPT ? KEPT : needed * 2);
    memory.set(held);
    this.#memory = memory;
    this.#from = 0;
    this.#until = held.length;
  }
}

const EMPTY = Buffer.alloc(0);
/** Memory that a connection may keep between two messages. */
const KEPT = 512;

/** The message with its length in front, as one buffer: two writes could become two segments. */
export function framed(message: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(message.length + 2);
  out.writeUInt16BE(message.length, 0);
  out.set(message, 2);
  return out;
}
