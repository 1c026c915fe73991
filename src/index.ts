/** `eleven-dns`: the resolver, its config and its errors. Re-exports only; backends and what tests need have entries of their own. */

export { ConfigError, loadConfig, parseConfig } from "./config/load.ts";
export type { BalanceFile, Config, Options, Path, PlaceFile } from "./config/options.ts";
export type { Problem } from "./config/problems.ts";
export { createNode, type ElevenNode, type NodeOptions } from "./daemon.ts";
export type { CacheLimits } from "./forwarder/core/cache.ts";
export type { ForwarderCounters } from "./forwarder/core/counters.ts";
export type { ForwarderOptions } from "./forwarder/io/node-loop.ts";
export type { LbBackend } from "./lb-programmer/backends/backend.ts";
export type { BalanceOptions } from "./lb-programmer/order/options.ts";
export type { TargetStatus } from "./lb-programmer/reconcile/reconciler.ts";
export type * from "./lb-programmer/state.ts";
export type { BackendName } from "./model/backends.ts";
export type * from "./model/input.ts";
export type { Notice } from "./model/notice.ts";
export type * from "./model/types.ts";
export { OptionsError } from "./options.ts";
export { type RegistryCode, RegistryError } from "./registry/error.ts";
export type { Applied, Registry, RegistryEvents } from "./registry/registry.ts";
export { memoryStore } from "./registry/stores/memory.ts";
export { type Feed, type Store, StoreError } from "./registry/stores/store.ts";
export { parseResolvConf, type ResolvConf, type UpstreamFilter } from "./resolv-conf/parse.ts";
export { type ResolvConfChange, type ResolvConfWatch, watchResolvConf } from "./resolv-conf/watch.ts";
export type { Policy } from "./scoping/policy.ts";
export type { Bound } from "./server/data-plane.ts";
export type { ServeCounters } from "./server/serve.ts";
