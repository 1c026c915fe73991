/** What the main thread and a worker say to each other. Plain data; the worker is woken by an eventfd for each. */

import type { LaneKind } from "../../forwarder/core/exchange.ts";
import type { ForwarderOptions } from "../../forwarder/core/options.ts";
import type { ScopePatch } from "../../scoping/patch.ts";
import type { Given } from "../senders.ts";
import type { ServingOptions } from "../serve.ts";
import type { Asked } from "../upstream-news.ts";

export interface WorkerSetup {
  readonly serving: ServingOptions;
  readonly forwarder: ForwarderOptions;
  /** TCP connections that it may have open. */
  readonly connections: number;
  /** eventfd that is written after each message. */
  readonly wake: number;
  /** What the worker counts: serving, and forwarding. */
  readonly serveCounters: Float64Array;
  readonly forwardCounters: Float64Array;
  /** What the worker opens, for whoever comes after it. */
  readonly descriptors: SharedArrayBuffer;
}

/** A listening address's sockets: the main thread's, who opens and closes them. */
export interface Pair {
  readonly udp: number;
  readonly tcp: number;
}

/** A socket towards an upstream, to be opened where the worker may not go. */
export interface LaneWanted {
  readonly lane: number;
  readonly transport: LaneKind;
  readonly address: string;
  readonly port: number;
  readonly netns: string;
}

export type ToWorker =
  | { readonly kind: "patch"; readonly patch: ScopePatch }
  /** Answer on these sockets for these; said again when they are others. */
  | { readonly kind: "listen"; readonly pair: Pair; readonly address: string; readonly given: readonly Given[] }
  /** Leave the sockets alone: they are closed once that is done. */
  | { readonly kind: "unlisten"; readonly pair: Pair; readonly token: number }
  /** The socket that was asked for: the worker's from here on. */
  | { readonly kind: "lane"; readonly lane: number; readonly fd: number }
  /** It can't be had, for this reason. */
  | { readonly kind: "noLane"; readonly lane: number; readonly reason: string }
  /** Forget all answers of upstreams that are kept. */
  | { readonly kind: "flush" }
  /** Say when everything before this is done. */
  | { readonly kind: "mark"; readonly token: number }
  /** Read no more, and say when no upstream is waited for; after `ms`, fail what is left. */
  | { readonly kind: "drain"; readonly token: number; readonly ms: number }
  | { readonly kind: "stop" };

export type FromWorker =
  | { readonly kind: "done"; readonly token: number }
  | ({ readonly kind: "open" } & LaneWanted)
  | { readonly kind: "trouble"; readonly message: string }
  /** An upstream was given up, or answers again. */
  | { readonly kind: "upstream"; readonly upstream: Asked; readonly up: boolean };
