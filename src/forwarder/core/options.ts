/** How the forwarder's core is set up and driven; core.ts is what fulfils it. */
import type { CacheLimits } from "./cache.ts";
import type { ForwarderCounters } from "./counters.ts";
import type { Exchange } from "./exchange.ts";
import type { ForwardReply, ForwardRequest } from "./types.ts";
import type { Server } from "./upstream-health.ts";

export interface ForwarderOptions {
  /**
   * Different questions in flight. Default 1024. When all are taken, whoever has most makes room for a sandbox that has less
   * than an equal part; who has that is refused. Sixteen times as many clients may wait for them, by the same rule.
   */
  readonly maxInFlight?: number;
  /** `false`: nothing is kept, and nothing stale is served. */
  readonly cache?: CacheLimits | false;
}

export interface CoreOptions {
  readonly exchange: Exchange;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** 16 bits nobody can predict. */
  readonly random: () => number;
  readonly options?: ForwarderOptions;
  /** Told when a server is given up, and when one that was answers again. */
  readonly onHealth?: OnHealth | undefined;
}

export type OnHealth = (server: Readonly<Server>, up: boolean) => void;

export interface ForwarderCore {
  /** Replies at once if it can; else when a later event allows it. Exactly once. */
  forward(request: ForwardRequest, reply: ForwardReply): void;
  /** A message came in on a lane. The core owns the bytes from now on. */
  received(lane: number, packet: Uint8Array): void;
  /** A lane's socket reported an error ("ECONNREFUSED"), or a TCP lane ended. */
  failed(lane: number, reason: string): void;
  /** To be called at `nextDeadline()` or later. */
  tick(): void;
  /** On the clock of `now`; Infinity if nothing is waited for. */
  nextDeadline(): number;
  /** Forgets answers and failures that are kept, stale ones, too. What is in flight goes on. */
  flush(): void;
  /** Fails what is in flight and closes all lanes. */
  close(): void;
  readonly counters: Readonly<ForwarderCounters>;
  /** Questions in flight. */
  readonly inFlight: number;
  readonly servers: Iterable<Readonly<Server>>;
}
