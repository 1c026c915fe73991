/** What the query road hands to the forwarder, and what comes back. */
import type { Upstream } from "../../model/types.ts";
import { EDE_OTHER, SERVFAIL } from "../../wire/constants.ts";

export interface ForwardRequest {
  /** The client's query as received: of its header and question, nothing else goes upstream. The forwarder owns these bytes from now on. */
  readonly packet: Uint8Array;
  /** Offset just behind the question section (12 + name + 4). */
  readonly questionEnd: number;
  /** The question as a key: wire labels lower-cased (latin1), then type and class, two octets each. */
  readonly question: string;
  /** The client sent an OPT record: its answer has one. */
  readonly edns: boolean;
  /** It had the DO bit (RFC 3225). */
  readonly dnssecOk: boolean;
  /** Most octets this client takes: `STREAM` over TCP, else 512 at least. */
  readonly limit: number;
  /** Candidates in order of preference, already chosen for this sandbox; split-DNS suffixes included. */
  readonly upstreams: readonly Upstream[];
  /** The client's address, text: a query that an upstream sends us for what we just asked it may be a loop. */
  readonly from: string;
  /** The sandbox that asks: what it may have in flight at the others' expense is bounded. */
  readonly asker: string;
}

/** `limit` of a client that asks over a stream. */
export const STREAM = 65_535;

/** Why there is no reply to relay: the server turns it into an answer (RFC 8914 for `ede`). */
export interface ForwardFailure {
  readonly rcode: number;
  readonly ede: number;
  readonly text: string;
}

/** Whoever asks, or still waits, when the end has come. */
export const SHUTTING_DOWN: ForwardFailure = { rcode: SERVFAIL, ede: EDE_OTHER, text: "shutting down" };

/** Called exactly once for each request. A packet is this client's in all: id, spelling of the question, size, OPT. */
export type ForwardReply = (outcome: Uint8Array | ForwardFailure) => void;

export interface Forwarder {
  forward(request: ForwardRequest, reply: ForwardReply): void;
  /** Questions that wait for an upstream. */
  readonly inFlight: number;
  close(): void;
}
