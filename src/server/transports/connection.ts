/**
 * One connection of DNS over TCP (RFC 7766), whoever reads its octets: queries are pipelined, answers go out as they are
 * ready. What a peer can make us hold or do at once is bounded; the clock and the socket are the transport's.
 */
import { Frames, framed } from "../../wire/frames.ts";
import type { Handler } from "./transport.ts";

/** Past this many unanswered questions, or unread octets, nothing more is read until some are gone. */
const MAX_PENDING = 128;
const MAX_UNREAD = 1 << 20;
/** Unread octets of all connections of one listener; past this, each may leave this little. */
const MAX_HELD = 16 << 20;
const MAX_UNREAD_EACH = 16 << 10;
/** What one turn may take while others wait: queries, and octets of answers. */
const TURN = 16;
const TURN_OCTETS = 64 << 10;

/** What is below a connection. */
export interface Wire {
  /** Octets for the peer, kept until it takes them. They are the wire's from here on. */
  write(octets: Buffer): void;
  /** Octets that the peer has not taken yet. */
  readonly unread: number;
  /** `reads` and `more` may be others now. */
  changed(): void;
  /** Nothing more to say: closes once everything is out. */
  end(): void;
  /** Closes at once. */
  close(): void;
}

/** What the connections of one listener hold together. */
export interface Held {
  unread: number;
}

export class Connection {
  /** When the last complete query came (or the connection), on the transport's clock. */
  since: number;
  readonly #wire: Wire;
  readonly #handler: Handler;
  readonly #from: string;
  readonly #held: Held;
  readonly #frames = new Frames();
  #pending = 0;
  /** As counted in `#held`. */
  #unread = 0;
  #ended = false;
  #closed = false;
  #serving = false;

  constructor(wire: Wire, handler: Handler, from: string, held: Held, now: number) {
    this.#wire = wire;
    this.#handler = handler;
    this.#from = from;
    this.#held = held;
    this.since = now;
  }

  /** It would take octets now. */
  get reads(): boolean {
    return !this.#ended && !this.#closed && !this.#full && !this.#frames.whole;
  }

  /** It has more to do than one turn allowed: take the next one when others have had theirs. */
  get more(): boolean {
    return !this.#closed && !this.#full && this.#frames.whole;
  }

  /** Questions that wait for their answers. */
  get pending(): number {
    return this.#pending;
  }

  /** Octets from the peer; then take a turn. */
  received(octets: Uint8Array): void {
    this.#frames.push(octets);
  }

  /** The peer has said all; it still gets what it asked for. Then take a turn. */
  ended(): void {
    this.#ended = true;
  }

  /** Serves some of the messages that wait; how many. An exception costs this connection, and nobody else anything. */
  turn(): number {
    let served = 0;
    this.#serving = true;
    try {
      const enough = this.#wire.unread + TURN_OCTETS;
      for (; served < TURN && !this.#closed && !this.#full && this.#wire.unread <= enough; served++) {
        const packet = this.#frames.next(); // gone from the queue before it is served: the answer may come on the way
        if (packet === undefined) break;
        this.#serve(packet);
      }
    } catch (error) {
      this.#handler.threw(error);
      this.close();
    }
    this.#serving = false;
    this.settle();
    return served;
  }

  /** To be called also when the peer has taken octets. */
  settle(): void {
    if (this.#closed) return;
    this.#count(this.#wire.unread);
    if (this.#ended && this.#pending === 0 && !this.#frames.whole) this.#wire.end();
    else this.#wire.changed();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#count(0);
    this.#wire.close();
  }

  #serve(packet: Buffer): void {
    const length = this.#handler.serve(packet, packet.length, this.#from, "tcp", message);
    if (length > 0) {
      out.writeUInt16BE(length);
      this.#wire.write(Buffer.from(out.subarray(0, length + 2)));
    } else if (length < 0) {
      this.#pending++;
      this.#handler.forward(packet, this.#from, "tcp", (answer) => this.#answer(answer));
    }
  }

  /** Maybe from inside `#serve`, when the answer is known already: then the turn goes on, and settles in the end. */
  #answer(answer: Uint8Array): void {
    this.#pending--;
    if (this.#closed) return;
    this.#wire.write(framed(answer));
    if (!this.#serving) this.settle();
  }

  get #full(): boolean {
    const { unread } = this.#wire;
    if (this.#pending >= MAX_PENDING || unread > MAX_UNREAD) return true;
    return unread > MAX_UNREAD_EACH && this.#held.unread > MAX_HELD;
  }

  #count(unread: number): void {
    this.#held.unread += unread - this.#unread;
    this.#unread = unread;
  }
}

const out = Buffer.alloc(65_537);
const message = out.subarray(2);
