/** What the forwarder counts; plain numbers that only grow, for whoever exports them. */

export interface ForwarderCounters {
  /** Questions asked upstream; identical ones in flight count once. */
  forwarded: number;
  /** Questions that an upstream answered. */
  answered: number;
  cacheHits: number;
  cacheMisses: number;
  /** Clients that got an expired answer (RFC 8767). */
  staleServed: number;
  /** Clients that were added to a question already in flight. */
  coalesced: number;
  /** Clients that were told at once what had failed seconds ago (RFC 9520). */
  failureHits: number;
  /** Clients refused because too much was in flight: more than their sandbox's part, or in favour of one that has less. */
  refusedOverLimit: number;
  /** Packets on our sockets that answer nothing we asked: late, forged, respelled or broken ones (RFC 5452). */
  mismatched: number;
  /** Tries that got no answer in time. */
  timeouts: number;
  tcpRetries: number;
  /** Tries begun because an earlier one was slow. */
  hedged: number;
  /** Tries that repeat a question to a server already asked. */
  retransmitted: number;
  /** Queries sent to see whether a server comes back to us, and those that did. */
  probes: number;
  loops: number;
  /** Questions that ended without a reply to relay. */
  failures: number;
}

export const noCounts = (): ForwarderCounters => ({
  forwarded: 0,
  answered: 0,
  cacheHits: 0,
  cacheMisses: 0,
  staleServed: 0,
  coalesced: 0,
  failureHits: 0,
  refusedOverLimit: 0,
  mismatched: 0,
  timeouts: 0,
  tcpRetries: 0,
  hedged: 0,
  retransmitted: 0,
  probes: 0,
  loops: 0,
  failures: 0,
});
