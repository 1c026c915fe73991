/** The exchange over node:dgram and node:net. It opens, sends, receives and reports; it decides nothing. */

import { connect, Socket } from "node:net";
import { familyOf } from "../../model/address.ts";
import { datagramSocket } from "../../os/datagram.ts";
import { Frames, framed } from "../../wire/frames.ts";
import { type Exchange, type ExchangeEvents, type LaneKind, MOST_UNSENT, STUCK } from "../core/exchange.ts";

/** A socket towards an upstream. */
interface LaneSocket {
  send(packet: Uint8Array): void;
  close(): void;
}

/** Opens sockets where node can't: in another network namespace. They are node's from then on. Throws what the system says. */
export interface NetnsSockets {
  /** A UDP socket bound to a port that the kernel picks. */
  udp(netns: string, family: 4 | 6): number;
  /** A TCP socket that is connecting. */
  tcp(netns: string, address: string, port: number): number;
}

/** `events` is never called from inside a call of the exchange. */
export function createNodeExchange(events: ExchangeEvents, netnsSockets?: NetnsSockets): Exchange {
  const lanes = new Map<number, LaneSocket>();
  return {
    open(lane: number, kind: LaneKind, address: string, port: number, netns: string | undefined) {
      const failed = (error: NodeJS.ErrnoException) => events.failed(lane, error.code ?? error.message);
      try {
        const received = (packet: Uint8Array) => events.received(lane, packet);
        const fd = netns === undefined ? undefined : socketIn(netnsSockets, netns, kind, address, port);
        lanes.set(lane, (kind === "udp" ? openUdp : openTcp)(address, port, received, failed, fd));
      } catch (error) {
        setImmediate(failed, error as Error); // no descriptors left, or an address that is none
      }
    },
    send(lane, packet) {
      lanes.get(lane)?.send(packet);
    },
    close(lane) {
      lanes.get(lane)?.close();
      lanes.delete(lane);
    },
  };
}

type OpenLane = (
  address: string,
  port: number,
  received: (packet: Uint8Array) => void,
  failed: (error: Error) => void,
  fd: number | undefined,
) => LaneSocket;

function socketIn(
  from: NetnsSockets | undefined,
  netns: string,
  kind: LaneKind,
  address: string,
  port: number,
): number {
  if (from === undefined) throw new Error(`upstreams in network namespaces can't be reached here (${netns})`);
  return kind === "udp" ? from.udp(netns, familyOf(address)) : from.tcp(netns, address, port);
}

/** Bound to a port that the kernel picks, and connected: the kernel drops what does not come from the server, and tells ICMP errors. */
const openUdp: OpenLane = (address, port, received, failed, fd) => {
  const socket = datagramSocket(address);
  let early: Uint8Array[] | undefined = []; // until connected; one for each query in flight at most
  let closed = false;
  const sent = (error: Error | null) => {
    if (error !== null && !closed) failed(error);
  };
  socket.on("message", received);
  socket.on("error", failed);
  socket.once("connect", () => {
    const packets = early ?? [];
    early = undefined;
    for (const packet of packets) socket.send(packet, sent);
  });
  if (fd !== undefined) socket.bind({ fd, exclusive: true });
  socket.connect(port, address);
  return {
    send(packet) {
      if (early === undefined) socket.send(packet, sent);
      else early.push(packet);
    },
    close() {
      closed = true;
      early = undefined;
      socket.removeAllListeners("connect").removeAllListeners("message");
      socket.removeListener("error", failed).on("error", () => {});
      socket.close();
    },
  };
};

const openTcp: OpenLane = (address, port, received, failed, fd) => {
  const socket = fd === undefined ? connect({ host: address, port, noDelay: true }) : new Socket({ fd });
  let closed = false;
  const frames = new Frames();
  const take = (message: Buffer): boolean => {
    received(message);
    return !closed;
  };
  let problem: NodeJS.ErrnoException = Object.assign(new Error("connection closed"), { code: "connection closed" });
  socket.on("data", (chunk: Buffer) => {
    if (!closed) frames.pushAndTake(chunk, take);
  });
  socket.on("error", (error) => {
    problem = error;
  });
  socket.on("end", () => socket.destroy()); // a server that closes its side will not answer any more
  socket.on("close", () => {
    if (!closed) failed(problem);
  });
  return {
    send(packet) {
      if (socket.writableLength > MOST_UNSENT) socket.destroy(Object.assign(new Error(STUCK), { code: STUCK }));
      else socket.write(framed(packet));
    },
    close() {
      closed = true;
      socket.destroy();
    },
  };
};
