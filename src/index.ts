/** Public surface of the package: re-exports only. */

export { ConfigError, loadConfig, parseConfig } from "./config/load.ts";
export type { Config, Options } from "./config/options.ts";
export { createNode, type ElevenNode, type NodeOptions } from "./daemon.ts";
export { type LbBackend, LbError } from "./lb-programmer/backends/backend.ts";
export { DryRunBackend, type DryRunOptions } from "./lb-programmer/backends/dry-run.ts";
export { FakeBackend, type FakeCall, type FakeFailure } from "./lb-programmer/backends/fake.ts";
export { IpvsBackend, type IpvsOptions } from "./lb-programmer/backends/ipvs/backend.ts";
export { NftablesBackend, type NftablesOptions } from "./lb-programmer/backends/nftables/backend.ts";
export { diff, normal } from "./lb-programmer/diff.ts";
export { Marks } from "./lb-programmer/marks.ts";
export type { BalanceOptions } from "./lb-programmer/order/options.ts";
export { type PlanContext, plan } from "./lb-programmer/plan/plan.ts";
export {
  createReconciler,
  type Installed,
  type Reconciler,
  type ReconcilerOptions,
  type TargetStatus,
} from "./lb-programmer/reconcile/reconciler.ts";
export type * from "./lb-programmer/state.ts";
export type { Notice } from "./model/notice.ts";
export type * from "./model/types.ts";
export { NodeError } from "./node/error.ts";
export type { NodeEvents } from "./node/events.ts";
export { RegistryError } from "./registry/error.ts";
export { type Applied, Registry } from "./registry/registry.ts";
export { type FileStoreOptions, fileStore } from "./registry/stores/file.ts";
export { memoryStore } from "./registry/stores/memory.ts";
export { type Feed, type OpenOptions, type Store, StoreError } from "./registry/stores/store.ts";
export { parseResolvConf } from "./resolv-conf/parse.ts";
export { watchResolvConf } from "./resolv-conf/watch.ts";
export type { Policy } from "./scoping/policy.ts";
export type { Bound } from "./server/data-plane.ts";
export type { UpstreamStatus } from "./server/upstream-news.ts";
