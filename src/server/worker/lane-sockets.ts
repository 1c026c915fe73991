/** The sockets of the forwarder's lanes, opened by hand, for a thread that waits in epoll: one connected to each server asked. */
import { type ExchangeEvents, type LaneKind, MOST_UNSENT, STUCK } from "../../forwarder/core/exchange.ts";
import type { Batch } from "../../os/batch.ts";
import { errnoName, isAgain } from "../../os/error.ts";
import { EPOLLIN, EPOLLOUT, type Poll } from "../../os/poll.ts";
import { SendQueue } from "../../os/send-queue.ts";
import { read, send } from "../../os/socket.ts";
import { Frames, framed } from "../../wire/frames.ts";

export interface LaneSocket {
  readonly fd: number;
  /** Something came, or there is room for what waits. */
  ready(): void;
  /** Sends one message, now or later. Why it can't be, if so. */
  send(packet: Uint8Array): string | undefined;
  /** Nothing is told of it any more. The descriptor is its owner's to close. */
  close(): void;
}

/** What the sockets of one thread share. */
export interface LaneSurroundings {
  readonly poll: Poll;
  readonly events: ExchangeEvents;
  readonly batch: Batch;
}

export const laneSocket = (kind: LaneKind, lane: number, fd: number, around: LaneSurroundings): LaneSocket =>
  new (kind === "udp" ? UdpLane : TcpLane)(lane, fd, around);

class UdpLane implements LaneSocket {
  readonly fd: number;
  readonly #lane: number;
  readonly #around: LaneSurroundings;

  constructor(lane: number, fd: number, around: LaneSurroundings) {
    this.fd = fd;
    this.#lane = lane;
    this.#around = around;
  }

  ready(): void {
    const { batch, events } = this.#around;
    const n = batch.receive(this.fd);
    for (let i = 0; i < n; i++) events.received(this.#lane, Buffer.from(batch.slots[i]!.subarray(0, batch.length(i))));
    if (n === 0 && !isAgain(batch.failure)) events.failed(this.#lane, errnoName(batch.failure)); // its port is closed, say
  }

  send(packet: Uint8Array): string | undefined {
    const result = send(this.fd, packet);
    return result < 0 ? errnoName(-result) : undefined;
  }

  close(): void {}
}

class TcpLane implements LaneSocket {
  readonly fd: number;
  readonly #lane: number;
  readonly #around: LaneSurroundings;
  readonly #out: SendQueue;
  readonly #frames = new Frames();
  #open = true;

  constructor(lane: number, fd: number, around: LaneSurroundings) {
    this.fd = fd;
    this.#lane = lane;
    this.#around = around;
    this.#out = new SendQueue(fd);
  }

  /** One chunk at a time: a server that streams without end takes turns with everyone else. epoll tells us of the rest. */
  ready(): void {
    const { poll, events } = this.#around;
    this.#out.flush(); // if the connection is gone, reading says so
    if (this.#out.octets === 0) poll.change(this.fd, EPOLLIN);
    const n = read(this.fd, chunk);
    if (n > 0) this.#frames.pushAndTake(chunk.subarray(0, n), this.#take);
    else if (n === 0) events.failed(this.#lane, "connection closed");
    else if (!isAgain(-n)) events.failed(this.#lane, errnoName(-n));
  }

  send(packet: Uint8Array): string | undefined {
    const message = framed(packet);
    if (this.#out.octets + message.length > MOST_UNSENT) return STUCK;
    this.#out.push(message);
    this.#around.poll.change(this.fd, EPOLLIN | EPOLLOUT);
    return undefined;
  }

  close(): void {
    this.#open = false;
  }

  readonly #take = (message: Buffer): boolean => {
    this.#around.events.received(this.#lane, message);
    return this.#open;
  };
}

const chunk = Buffer.alloc(16_384);
