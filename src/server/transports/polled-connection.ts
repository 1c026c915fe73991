/** A TCP connection's socket for a thread that waits in epoll: reads when asked to, keeps what the peer does not take yet. */
import type { Descriptors } from "../../os/descriptors.ts";
import { isAgain } from "../../os/error.ts";
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, type Poll } from "../../os/poll.ts";
import { SendQueue } from "../../os/send-queue.ts";
import { read } from "../../os/socket.ts";
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
  readonly #around: Surroundings;
  readonly #connection: Connection;
  readonly #out: SendQueue;
  #interest = EPOLLIN;
  #reads = true;
  #ending = false;
  #open = true;

  /** The descriptor is this one's from here on. Throws an OsError if it can't be watched; then it is closed. */
  constructor(fd: number, from: string, around: Surroundings, now: number) {
    this.fd = fd;
    this.#out = new SendQueue(fd);
    this.#around = around;
    this.#connection = new Connection(this, around.handler, from, around.held, now);
    around.descriptors.adopt(fd, around.poll);
  }

  /** Octets that the peer has not taken yet. */
  get unread(): number {
    return this.#out.octets;
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
    if ((events & (EPOLLERR | EPOLLHUP)) !== 0 || !this.#out.flush()) {
      this.close();
      return 0;
    }
    if ((events & EPOLLIN) !== 0 && this.#wantsOctets) this.#read();
    return this.#open ? this.#connection.turn() : 0;
  }

  write(octets: Buffer): void {
    this.#out.push(octets);
  }

  /** More to do is said to epoll as a wish to write, which is granted when the others have had their turn. */
  changed() {
    if (!this.#open) return;
    if (!this.#out.flush() || (this.#ending && this.unread === 0)) return this.close();
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
    else if (!isAgain(-n)) this.close();
  }
}

/** One read's worth; a connection copies what it keeps. */
const chunk = Buffer.alloc(16 << 10);
