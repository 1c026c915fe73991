/** The forwarder's exchange over sockets opened by hand, for a thread without an event loop. UDP is read in batches. */

import type { Exchange, LaneKind } from "../../forwarder/core/lanes.ts";
import { Deframer, framed, MOST_UNSENT } from "../../forwarder/io/frame.ts";
import type { ExchangeEvents } from "../../forwarder/io/sockets.ts";
import { Batch } from "../../os/batch.ts";
import type { Descriptors } from "../../os/descriptors.ts";
import { errnoName } from "../../os/error.ts";
import { EPOLLIN, EPOLLOUT, type Poll } from "../../os/poll.ts";
import { connectTcp, connectUdp, read, send } from "../../os/socket.ts";
import type { OnReady } from "../transports/transport.ts";
import type { LaneWanted } from "./messages.ts";

export interface PollExchange extends Exchange {
  /** Tells of what failed since the last time; never from inside a call of the forwarder's. */
  settle(): void;
  /** The socket that `wanted` was told of is here; it is ours to close. */
  opened(lane: number, fd: number): void;
  /** It can't be had. */
  notOpened(lane: number, reason: string): void;
}

/** A socket towards an upstream. */
interface Lane {
  readonly fd: number;
  ready(): void;
  send(packet: Uint8Array): void;
}

export function createPollExchange(
  poll: Poll,
  onReady: OnReady,
  events: ExchangeEvents,
  descriptors: Descriptors,
  wanted: (lane: LaneWanted) => void,
): PollExchange {
  const lanes = new Map<number, Lane>();
  /** Lanes whose sockets another thread opens, and what is to be sent on each: one packet for a question at most. */
  const coming = new Map<number, { readonly kind: LaneKind; readonly early: Uint8Array[] }>();
  const batch = new Batch(32, 4096);
  let failures: [lane: number, reason: string][] = [];

  const udp = (number: number, fd: number): Lane => ({
    fd,
    ready() {
      const n = batch.receive(fd);
      for (let i = 0; i < n; i++) events.received(number, Buffer.from(batch.slots[i]!.subarray(0, batch.length(i))));
      const problem = n > 0 ? "EAGAIN" : errnoName(batch.failure);
      if (!AGAIN.has(problem)) events.failed(number, problem); // the server's port is closed, say
    },
    send(packet) {
      const errno = send(fd, packet);
      if (errno < 0) failures.push([number, errnoName(-errno)]);
    },
  });

  const tcp = (number: number, fd: number): Lane => {
    const isOpen = () => lanes.get(number)?.fd === fd;
    const deframer = new Deframer((message) => {
      events.received(number, message);
      return isOpen();
    });
    const out: Buffer[] = [];
    let unsent = 0;
    const flush = () => {
      while (out.length > 0) {
        const sent = send(fd, out[0]!);
        if (sent < 0) return;
        unsent -= sent;
        if (sent === out[0]!.length) out.shift();
        else out[0] = out[0]!.subarray(sent);
      }
    };
    return {
      fd,
      // One chunk at a time: whoever streams without end takes turns with everyone else. epoll tells us of the rest.
      ready() {
        flush();
        if (out.length === 0) poll.change(fd, EPOLLIN);
        const n = read(fd, chunk);
        if (n > 0) deframer.push(chunk.subarray(0, n));
        else if (n === 0) events.failed(number, "connection closed");
        else if (!AGAIN.has(errnoName(-n))) events.failed(number, errnoName(-n));
      },
      send(packet) {
        const message = framed(packet);
        if (unsent + message.length > MOST_UNSENT) {
          failures.push([number, "takes no more questions"]);
          return;
        }
        unsent += message.length;
        out.push(message);
        poll.change(fd, EPOLLIN | EPOLLOUT);
      },
    };
  };

  const add = (number: number, kind: LaneKind, fd: number) => {
    descriptors.own(fd);
    try {
      poll.add(fd);
    } catch (error) {
      descriptors.close(fd);
      throw error;
    }
    const lane = (kind === "udp" ? udp : tcp)(number, fd);
    lanes.set(number, lane);
    onReady.set(fd, lane);
  };

  return {
    open(lane, kind, address, port, netns) {
      if (netns !== undefined) {
        coming.set(lane, { kind, early: [] });
        wanted({ lane, transport: kind, address, port, netns });
        return;
      }
      try {
        add(lane, kind, (kind === "udp" ? connectUdp : connectTcp)(address, port));
      } catch (error) {
        failures.push([lane, (error as { code?: string }).code ?? String(error)]);
      }
    },
    opened(lane, fd) {
      const asked = coming.get(lane);
      coming.delete(lane);
      if (asked === undefined) return descriptors.close(fd); // nobody waits for it any longer
      try {
        add(lane, asked.kind, fd);
      } catch (error) {
        failures.push([lane, (error as { code?: string }).code ?? String(error)]);
      }
      for (const packet of asked.early) lanes.get(lane)?.send(packet);
    },
    notOpened(lane, reason) {
      if (coming.delete(lane)) failures.push([lane, reason]);
    },
    send(number, packet) {
      const lane = lanes.get(number);
      if (lane !== undefined) lane.send(packet);
      else coming.get(number)?.early.push(packet);
    },
    close(number) {
      coming.delete(number);
      const lane = lanes.get(number);
      if (lane === undefined) return;
      lanes.delete(number);
      onReady.delete(lane.fd);
      descriptors.close(lane.fd); // which takes it out of the epoll set, too
    },
    settle() {
      if (failures.length === 0) return;
      const told = failures;
      failures = [];
      for (const [number, reason] of told) events.failed(number, reason);
    },
  };
}

const chunk = Buffer.alloc(16_384);
const AGAIN = new Set(["EAGAIN", "EWOULDBLOCK", "EINTR"]);
