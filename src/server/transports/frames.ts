/** Octets of one TCP connection and the messages among them, each behind its length (RFC 1035 4.2.2). Holds what came, no more. */

export class Frames {
  #memory: Buffer = EMPTY;
  /** What waits: from here to there. */
  #from = 0;
  #until = 0;

  /** Takes a copy. Two messages' worth at most is ever held, if no more is pushed while one waits. */
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

  /** The next message, where it lies: it is gone with the next `push`. */
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
/** Memory that a connection may keep between two queries. */
const KEPT = 512;
