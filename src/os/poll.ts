/** epoll(7), and an eventfd(2) to wake a thread that waits in it. */
import { checked, libc } from "./libc.ts";

const EPOLL_CLOEXEC = 0x80000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
export const EPOLLIN = 1;
/** Something other than data: that of a list in /proc, that it has changed. */
export const EPOLLPRI = 2;
export const EPOLLOUT = 4;
/** Reported whether asked for or not: an error, and a connection that is closed in both directions. */
export const EPOLLERR = 8;
export const EPOLLHUP = 16;
const EFD_NONBLOCK_CLOEXEC = 0x800 | 0x80000;
const MAX_EVENTS = 64;

/** struct epoll_event is packed on x86-64 only: events 4, data 8. */
const EVENT = process.arch === "x64" ? 12 : 16;
const DATA = process.arch === "x64" ? 4 : 8;

export class Poll {
  /** Readable when something in it is ready, so it can be in another one. */
  readonly descriptor = checked(libc().epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  readonly #most: number;
  readonly #events: Buffer;
  readonly #event = Buffer.alloc(16);
  readonly #wait = libc().epoll_wait;

  /** Tells of at most so many at once; who is left comes first the next time. */
  constructor(most = MAX_EVENTS) {
    this.#most = most;
    this.#events = Buffer.alloc(most * EVENT);
  }

  add(fd: number, events = EPOLLIN): void {
    this.#control(EPOLL_CTL_ADD, fd, events);
  }

  change(fd: number, events: number): void {
    this.#control(EPOLL_CTL_MOD, fd, events);
  }

  /** Before the descriptor is closed: a copy of it elsewhere would keep it in the set. Twice is fine. */
  remove(fd: number): void {
    this.#event.writeInt32LE(fd, DATA);
    libc().epoll_ctl(this.descriptor, EPOLL_CTL_DEL, fd, this.#event);
  }

  /** Blocks this thread until something is ready or `timeout` milliseconds are over (-1: for ever); how many are ready. */
  wait(timeout: number): number {
    return Math.max(0, this.#wait(this.descriptor, this.#events, this.#most, timeout)); // EINTR is nothing ready
  }

  /** Descriptor of the i-th ready one. */
  fd(i: number): number {
    return this.#events.readInt32LE(i * EVENT + DATA);
  }

  /** What the i-th one is ready for: EPOLLIN and the like. */
  events(i: number): number {
    return this.#events.readUInt32LE(i * EVENT);
  }

  close(): void {
    libc().close(this.descriptor);
  }

  #control(operation: number, fd: number, events: number): void {
    this.#event.writeUInt32LE(events, 0);
    this.#event.writeInt32LE(fd, DATA);
    checked(libc().epoll_ctl(this.descriptor, operation, fd, this.#event), "epoll_ctl");
  }
}

/** A counter that makes its descriptor readable. */
export const openEventfd = (): number => checked(libc().eventfd(0, EFD_NONBLOCK_CLOEXEC), "eventfd");

const one = Buffer.alloc(8);
one.writeUInt8(1);
const count = Buffer.alloc(8);

/** Wakes whoever polls the eventfd; from any thread. */
export function wake(eventfd: number): void {
  libc().write(eventfd, one, 8);
}

/** Makes the eventfd unreadable again. */
export function rest(eventfd: number): void {
  libc().read(eventfd, count, 8);
}
