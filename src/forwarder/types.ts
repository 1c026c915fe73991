/** What the query road hands to the forwarder, and what comes back. */
import type { Upstream } from "../model/types.ts";

export interface ForwardRequest {
  /** The client's query as received; the forwarder owns these bytes from now on. */
  readonly packet: Uint8Array;
  /** Offset just behind the question section (12 + name + 4). */
  readonly questionEnd: number;
  /** The question as a key: wire labels lower-cased (latin1), then type and class, two octets each. */
  readonly question: string;
  /** The client sent an OPT record. */
  readonly edns: boolean;
  /** Candidates in order of preference, already chosen for this sandbox; split-DNS suffixes included. */
  readonly upstreams: readonly Upstream[];
  /** The client's address, text: a query that an upstream sends us for what we just asked it is a loop. */
  readonly from: string;
}

/** Why there is no reply to relay: the server turns it into an answer (RFC 8914 for `ede`). */
export interface ForwardFailure {
  readonly rcode: number;
  readonly ede: number;
  readonly text: string;
}

/** Called exactly once for each request. A packet carries the client's id and its spelling of the question. */
export type ForwardReply = (outcome: Uint8Array | ForwardFailure) => void;

export interface Forwarder {
  forward(request: ForwardRequest, reply: ForwardReply): void;
  /** Questions that wait for an upstream. */
  readonly inFlight: number;
  close(): void;
}
