/**
 * DNS over TCP for a thread that waits in epoll. Each listener has an epoll set of its own for its connections, which is one
 * descriptor in the thread's set: however many connections a sandbox opens, the others' turns come as often as before.
 */
import type { Descriptors } from "../../os/descriptors.ts";
import { errnoName } from "../../os/error.ts";
import { EPOLLIN, Poll } from "../../os/poll.ts";
import { accept, acceptedFrom, prepareAccept } from "../../os/socket.ts";
import { Connections, MAX_CONNECTIONS, type Times } from "./connections.ts";
import { PolledConnection, type Surroundings } from "./polled-connection.ts";
import type { Handler, OnReady } from "./transport.ts";

/** Most connections that one listener accepts, and most that it serves, in one turn: then others have theirs. */
const [ACCEPTED, SERVED] = [8, 4] as const;
/** Milliseconds to wait when no connection can be let in. */
const REST = 100;
const TOLD_EVERY = 60_000;

export interface PolledTcpOptions {
  /** The thread's own set, and what to call when a descriptor in it is ready. */
  readonly poll: Poll;
  readonly onReady: OnReady;
  readonly descriptors: Descriptors;
  readonly now: () => number;
  /** Past so many connections, the longest idle one goes of the listener that has most. */
  readonly most: number;
  readonly times?: Times | undefined;
}

/** All TCP listeners of one thread. */
export class PolledTcp {
  readonly options: PolledTcpOptions;
  readonly #listeners = new Map<number, Listener>();
  #size = 0;
  #wakeAt = Number.POSITIVE_INFINITY;

  constructor(options: PolledTcpOptions) {
    this.options = options;
  }

  /** Accepts and answers on a listening socket, which stays its owner's. Throws an OsError. */
  listen(fd: number, handler: Handler): void {
    prepareAccept(fd);
    const listener = new Listener(fd, handler, this);
    listener.open();
    this.#listeners.set(fd, listener);
  }

  /** Leaves the socket alone, and closes its connections. */
  unlisten(fd: number): void {
    this.#listeners.get(fd)?.close();
    this.#listeners.delete(fd);
  }

  /** Lets nobody in and reads no more; who waits for an answer still gets it. */
  stopReading(): void {
    for (const listener of this.#listeners.values()) listener.stopReading();
  }

  /** When `tick` wants to be called; Infinity: not at all. Too early is possible. */
  nextDeadline(): number {
    return this.#wakeAt;
  }

  tick(): void {
    const now = this.options.now();
    if (now < this.#wakeAt) return;
    this.#wakeAt = Number.POSITIVE_INFINITY;
    for (const listener of this.#listeners.values()) this.wakeAt(listener.expire(now));
  }

  wakeAt(at: number): void {
    if (at < this.#wakeAt) this.#wakeAt = at;
  }

  /** A connection came (1) or went (-1). */
  count(change: 1 | -1): void {
    this.#size += change;
  }

  get full(): boolean {
    return this.#size >= this.options.most;
  }

  /** Closes a connection of the listener that has most. False: there is none. */
  makeRoom(): boolean {
    let most: Listener | undefined;
    for (const listener of this.#listeners.values()) if (listener.size > (most?.size ?? 0)) most = listener;
    return most?.closeLongestIdle() ?? false;
  }
}

class Listener implements Surroundings {
  readonly handler: Handler;
  readonly descriptors: Descriptors;
  readonly held;
  readonly #fd: number;
  readonly #all: PolledTcp;
  readonly #connections: Connections<PolledConnection>;
  readonly #byFd = new Map<number, PolledConnection>();
  #poll: Poll | undefined;
  #restsUntil = Number.POSITIVE_INFINITY;
  #tellsAgain = 0;
  #reads = true;

  constructor(fd: number, handler: Handler, all: PolledTcp) {
    this.#fd = fd;
    this.handler = handler;
    this.#all = all;
    this.descriptors = all.options.descriptors;
    this.#connections = new Connections(all.options.times);
    this.held = this.#connections.held;
  }

  open(): void {
    const { poll, onReady } = this.#all.options;
    poll.add(this.#fd);
    onReady.set(this.#fd, { ready: () => this.#accept() });
  }

  /** The connections' own set; from the first one on. */
  get poll(): Poll {
    if (this.#poll !== undefined) return this.#poll;
    const { poll, onReady } = this.#all.options;
    const own = new Poll(SERVED);
    this.descriptors.adopt(own.descriptor, poll);
    onReady.set(own.descriptor, { ready: () => this.#serve(own) });
    this.#poll = own;
    return own;
  }

  get size(): number {
    return this.#connections.size;
  }

  closeLongestIdle(): boolean {
    const connection = this.#connections.longestIdle();
    connection?.close();
    return connection !== undefined;
  }

  gone(connection: PolledConnection): void {
    this.#byFd.delete(connection.fd);
    if (this.#connections.delete(connection)) this.#all.count(-1);
  }

  /** Closes those whose time is over; when the next one's is. */
  expire(now: number): number {
    for (const connection of this.#connections.expired(now)) connection.close();
    if (now >= this.#restsUntil) {
      this.#restsUntil = Number.POSITIVE_INFINITY;
      if (this.#reads) this.#all.options.poll.change(this.#fd, EPOLLIN);
    }
    return Math.min(this.#restsUntil, this.#connections.nextDeadline());
  }

  stopReading(): void {
    this.#reads = false;
    this.#all.options.poll.change(this.#fd, 0);
    for (const connection of this.#connections) connection.stopReading();
  }

  close(): void {
    const { poll, onReady } = this.#all.options;
    poll.remove(this.#fd);
    onReady.delete(this.#fd);
    for (const connection of this.#connections) connection.close();
    if (this.#poll === undefined) return;
    onReady.delete(this.#poll.descriptor);
    this.descriptors.close(this.#poll.descriptor);
  }

  /** One that can't be accepted has gone again, or there are no descriptors left: then another connection is closed, which helps the next one. */
  #accept() {
    let result = 0;
    let came = 0;
    for (let i = 0; i < ACCEPTED; i++) {
      result = accept(this.#fd);
      if (result === NOBODY) return;
      if (result < 0) {
        if (EXHAUSTED.has(errnoName(-result)) && !this.#all.makeRoom()) break;
      } else {
        this.#add(result);
        came++;
      }
    }
    if (came === 0) this.#rest(errnoName(-result));
  }

  #add(fd: number): void {
    if (this.#connections.size >= MAX_CONNECTIONS) this.closeLongestIdle();
    else if (this.#all.full) this.#all.makeRoom();
    const connection = new PolledConnection(fd, acceptedFrom(), this, this.#all.options.now());
    this.#byFd.set(fd, connection);
    this.#connections.add(connection);
    this.#all.count(1);
    this.#all.wakeAt(this.#connections.nextDeadline());
  }

  /** Accepts nothing for a moment: as long as somebody waits to be accepted, epoll would wake us again and again. */
  #rest(reason: string): void {
    const now = this.#all.options.now();
    this.#restsUntil = now + REST;
    if (now >= this.#tellsAgain) {
      this.handler.failed(new Error(`connections over TCP have to wait: accept: ${reason}`));
      this.#tellsAgain = now + TOLD_EVERY;
    }
    this.#all.options.poll.change(this.#fd, 0);
    this.#all.wakeAt(this.#restsUntil);
  }

  #serve(poll: Poll): void {
    const ready = poll.wait(0);
    for (let i = 0; i < ready; i++) {
      const connection = this.#byFd.get(poll.fd(i));
      if (connection !== undefined && connection.ready(poll.events(i)) > 0)
        this.#connections.served(connection, this.#all.options.now());
    }
  }
}

const NOBODY = -11; // EAGAIN
const EXHAUSTED = new Set(["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]);
