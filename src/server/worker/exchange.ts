/** The forwarder's exchange for a thread without an event loop. It opens, sends, receives and reports; it decides nothing. */
import type { Exchange, ExchangeEvents, LaneKind } from "../../forwarder/core/exchange.ts";
import { Batch } from "../../os/batch.ts";
import type { Descriptors } from "../../os/descriptors.ts";
import { reasonOf } from "../../os/error.ts";
import type { Poll } from "../../os/poll.ts";
import { connectTcp, connectUdp } from "../../os/socket.ts";
import type { OnReady } from "../transports/transport.ts";
import { type LaneSocket, type LaneSurroundings, laneSocket } from "./lane-sockets.ts";
import type { LaneWanted } from "./messages.ts";

export interface PollExchangeOptions {
  readonly poll: Poll;
  readonly onReady: OnReady;
  readonly descriptors: Descriptors;
  readonly events: ExchangeEvents;
  /** Has a socket opened where this thread may not go; then `opened` or `notOpened` is called. */
  readonly wanted: (lane: LaneWanted) => void;
}

export class PollExchange implements Exchange {
  readonly #options: PollExchangeOptions;
  readonly #around: LaneSurroundings;
  readonly #sockets = new Map<number, LaneSocket>();
  /** Lanes whose sockets another thread opens, and what is to be sent on each: one packet for a question at most. */
  readonly #coming = new Map<number, { readonly kind: LaneKind; readonly early: Uint8Array[] }>();
  #failures: [lane: number, reason: string][] = [];

  constructor(options: PollExchangeOptions) {
    this.#options = options;
    const { poll, events } = options;
    this.#around = { poll, events, batch: new Batch(32, 4096) };
  }

  open(lane: number, kind: LaneKind, address: string, port: number, netns: string | undefined): void {
    if (netns !== undefined) {
      this.#coming.set(lane, { kind, early: [] });
      this.#options.wanted({ lane, transport: kind, address, port, netns });
      return;
    }
    this.#add(lane, kind, () => (kind === "udp" ? connectUdp : connectTcp)(address, port));
  }

  /** The socket that `wanted` was told of is here; it is ours to close. */
  opened(lane: number, fd: number): void {
    const asked = this.#coming.get(lane);
    this.#coming.delete(lane);
    if (asked === undefined) {
      this.#options.descriptors.close(fd); // nobody waits for it any longer
      return;
    }
    this.#add(lane, asked.kind, () => fd);
    for (const packet of asked.early) this.send(lane, packet);
  }

  /** It can't be had. */
  notOpened(lane: number, reason: string): void {
    if (this.#coming.delete(lane)) this.#failures.push([lane, reason]);
  }

  send(lane: number, packet: Uint8Array): void {
    const socket = this.#sockets.get(lane);
    if (socket === undefined) {
      this.#coming.get(lane)?.early.push(packet);
      return;
    }
    const problem = socket.send(packet);
    if (problem !== undefined) this.#failures.push([lane, problem]);
  }

  close(lane: number): void {
    this.#coming.delete(lane);
    const socket = this.#sockets.get(lane);
    if (socket === undefined) return;
    this.#sockets.delete(lane);
    socket.close();
    this.#options.onReady.delete(socket.fd);
    this.#options.descriptors.close(socket.fd); // which takes it out of the epoll set, too
  }

  /** Tells of what failed since the last time; never from inside a call of the forwarder's. */
  settle(): void {
    if (this.#failures.length === 0) return;
    const told = this.#failures;
    this.#failures = [];
    for (const [lane, reason] of told) this.#options.events.failed(lane, reason);
  }

  #add(lane: number, kind: LaneKind, open: () => number): void {
    const { poll, onReady, descriptors } = this.#options;
    try {
      const fd = open();
      descriptors.adopt(fd, poll);
      const socket = laneSocket(kind, lane, fd, this.#around);
      this.#sockets.set(lane, socket);
      onReady.set(fd, socket);
    } catch (error) {
      this.#failures.push([lane, reasonOf(error)]);
    }
  }
}
