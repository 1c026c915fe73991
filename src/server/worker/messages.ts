/** What the main thread and a worker say to each other. Plain data; the worker is woken by an eventfd for each. */
import type { ForwarderOptions } from "../../forwarder/core-options.ts";
import type { ScopePatch } from "../../scoping/patch.ts";
import type { Given } from "../binding.ts";
import type { ServingOptions } from "../serve.ts";

export interface WorkerSetup {
  readonly serving: ServingOptions;
  readonly forwarder: ForwarderOptions;
  /** eventfd that is written after each message. */
  readonly wake: number;
  /** COUNTERS numbers, which the worker writes. */
  readonly counters: Float64Array;
}

export type ToWorker =
  | { readonly kind: "patch"; readonly patch: ScopePatch }
  /** Answer on this socket for these; said again when they are others. */
  | { readonly kind: "listen"; readonly fd: number; readonly address: string; readonly given: readonly Given[] }
  /** Leave the socket alone: it is closed once that is done. */
  | { readonly kind: "unlisten"; readonly fd: number; readonly token: number }
  /** Say when everything before this is done. */
  | { readonly kind: "mark"; readonly token: number }
  /** Read no more, and say when no upstream is waited for. */
  | { readonly kind: "drain"; readonly token: number }
  | { readonly kind: "stop" };

export type FromWorker =
  | { readonly kind: "done"; readonly token: number }
  | { readonly kind: "trouble"; readonly message: string };
