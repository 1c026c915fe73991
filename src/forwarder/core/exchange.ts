/** What the forwarder wants of the I/O below it, and what it is told from there. Lanes are known by number on both sides. */

export type LaneKind = "udp" | "tcp";

/** The I/O below the forwarder. It never calls back from inside one of these; what fails is told to `failed` later. */
export interface Exchange {
  /** Opens a socket in that namespace, from a random port, connected to this server. Packets may be sent at once. */
  open(lane: number, kind: LaneKind, address: string, port: number, netns: string | undefined): void;
  /** Sends one message; it may be kept until it is out. On a TCP lane, the exchange adds the length. */
  send(lane: number, packet: Uint8Array): void;
  close(lane: number): void;
}

/** What the exchange is told of, never from inside a call of the forwarder's. */
export interface ExchangeEvents {
  received(lane: number, packet: Uint8Array): void;
  failed(lane: number, reason: string): void;
}

/** Most octets that may wait to be written to a server over TCP. A server that lets more pile up reads nothing: the connection fails for this reason. */
export const MOST_UNSENT = 1 << 17;
export const STUCK = "takes no more questions";
