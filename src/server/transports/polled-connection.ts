/** A TCP connection's socket for a thread that waits in epoll: reads when asked to, keeps what the peer does not take yet. */
import type { Descriptors } from "../../os/descriptors.ts";
import { errnoName } from "../../os/error.ts";
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, type Poll } from "../../os/poll.ts";
import { read, send } from "../../os/socket.ts";
import { Connection, type Held, type Wire } from "./connection.ts";
import type { Handler } from "./transport.ts";

/** What a connection's socket needs of its listener. */
export interface Surroundings {
  readonly poll: Poll;
  readonly descriptors: Descriptors;
  readonly handler: Handler;
  readonly held: Held;
  /** The socket is closed. */
  gone(connection: PolledConnection): void;
}

export class PolledConnection implements Wire {
  readonly fd: number;
  unread = 0;
  readonly #around: Surroundings;
  readonly #connection: Connection;
  readonly #out: Buffer[] = [];
  #interest = EPOLLIN;
  #reads = true;
  #ending = false;
  #open = true;

  /** The descriptor is this one's from here on. Throws an OsError if it can't be watched; then it is closed. */
  constructor(fd: number, from: string, around: Surroundings, now: number) {
    this.fd = fd;
    this.#around = around;
    this.#connection = new Connection(this, around.handler, from, around.held, now);
    around.descriptors.own(fd);
    try {
      around.poll.add(fd);
    } catch (error) {
      around.descriptors.close(fd);
      throw error;
    }
  }

  get since(): number {
    return this.#connection.since;
  }

  set since(now: number) {
    this.#connection.since = now;
  }

  get pending(): number {
    return this.#connection.pending;
  }

  /** One turn, after epoll said so; how many queries it served. */
  ready(events: number): number {
    if ((events & (EPOLLERR | EPOLLHUP)) !== 0 || !this.#flush()) {
      this.close();
      return 0;
    }
    if ((events & EPOLLIN) !== 0 && this.#wantsOctets) this.#read();
    return this.#open ? this.#connection.turn() : 0;
  }

  write(octets: Buffer): void {
    this.#out.push(octets);
    this.unread += octets.length;
  }

  /** More to do is said to epoll as a wish to write, which is granted when the others have had their turn. */
  changed() {
    if (!this.#open) return;
    if (!this.#flush() || (this.#ending && this.unread === 0)) return this.close();
    const wanted = (this.#wantsOctets ? EPOLLIN : 0) | (this.unread > 0 || this.#connection.more ? EPOLLOUT : 0);
    if (wanted === this.#interest) return;
    this.#interest = wanted;
    this.#around.poll.change(this.fd, wanted);
  }

  end(): void {
    this.#ending = true;
    this.changed();
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#connection.close();
    this.#around.descriptors.close(this.fd); // which takes it out of the epoll set, too
    this.#around.gone(this);
  }

  /** What was asked so far is still answered. */
  stopReading(): void {
    this.#reads = false;
    this.changed();
  }

  get #wantsOctets(): boolean {
    return this.#reads && this.#connection.reads;
  }

  #read(): void {
    const n = read(this.fd, chunk);
    if (n > 0) this.#connection.received(chunk.subarray(0, n));
    else if (n === 0) this.#connection.ended();
    else if (!AGAIN.has(errnoName(-n))) this.close();
  }

  /** Hands the kernel what it takes. False: the peer is gone. */
  #flush(): boolean {
    while (this.unread > 0) {
      const first = this.#first();
      const sent = send(this.fd, first);
      if (sent < 0) return AGAIN.has(errnoName(-sent));
      this.unread -= sent;
      if (sent === first.length) this.#out.shift();
      else this.#out[0] = first.subarray(sent);
    }
    return true;
  }

  /** Small ones together: they would be a segment each. */
  #first(): Buffer {
    let [count, octets] = [0, 0];
    while (count < this.#out.length && octets < GATHERED) octets += this.#out[count++]!.length;
    if (count > 1) this.#out.splice(0, count, Buffer.concat(this.#out.slice(0, count)));
    return this.#out[0]!;
  }
}

const GATHERED = 16 << 10;
const AGAIN = new Set(["EAGAIN", "EINTR"]);
/** One read's worth; a connection copies what it keeps. */
const chunk = Buffer.alloc(16 << 10);
