/** What is to be written to a stream socket that does not block: kept until the peer takes it. How much that may be is the owner's rule. */
import { isAgain } from "./error.ts";
import { send } from "./socket.ts";

export class SendQueue {
  /** Octets that the peer has not taken yet. */
  octets = 0;
  readonly #fd: number;
  readonly #parts: Buffer[] = [];

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** They are the queue's from here on. */
  push(octets: Buffer): void {
    this.#parts.push(octets);
    this.octets += octets.length;
  }

  /** Hands the kernel what it takes. False: the peer is gone. */
  flush(): boolean {
    while (this.octets > 0) {
      const first = this.#first();
      const sent = send(this.#fd, first);
      if (sent < 0) return isAgain(-sent);
      this.octets -= sent;
      if (sent === first.length) this.#parts.shift();
      else this.#parts[0] = first.subarray(sent);
    }
    return true;
  }

  /** Small ones together: they would be a segment each. */
  #first(): Buffer {
    let [count, octets] = [0, 0];
    while (count < this.#parts.length && octets < GATHERED) octets += this.#parts[count++]!.length;
    if (count > 1) this.#parts.splice(0, count, Buffer.concat(this.#parts.slice(0, count)));
    return this.#parts[0]!;
  }
}

const GATHERED = 16 << 10;
