/** Public surface of the package: re-exports only. */

export type { BalanceOptions } from "./balancing/options.ts";
export { ConfigError, loadConfig, parseConfig } from "./config/load.ts";
export type { Config, Options } from "./config/options.ts";
export { createNode, type ElevenNode, type NodeOptions } from "./daemon.ts";
export { parseResolvConf, watchResolvConf } from "./forwarder/resolv-conf.ts";
export { DryRunBackend, type DryRunOptions } from "./lb-programmer/backends/dry-run.ts";
export { FakeBackend, type FakeCall, type FakeFailure } from "./lb-programmer/backends/fake.ts";
export { IpvsBackend, type IpvsOptions } from "./lb-programmer/backends/ipvs.ts";
export { NftablesBackend, type NftablesOptions } from "./lb-programmer/backends/nftables.ts";
export { diff, normal } from "./lb-programmer/diff.ts";
export { Marks } from "./lb-programmer/marks.ts";
export { type PlanContext, plan } from "./lb-programmer/plan.ts";
export {
  createReconciler,
  type Installed,
  type Reconciler,
  type ReconcilerOptions,
  type TargetStatus,
} from "./lb-programmer/reconciler.ts";
export type * from "./lb-programmer/types.ts";
export { LbError } from "./lb-programmer/types.ts";
export type { Notice } from "./model/notice.ts";
export type * from "./model/types.ts";
export { RegistryError } from "./registry/error.ts";
export { type Applied, Registry } from "./registry/registry.ts";
export type { Policy } from "./scoping/policy.ts";
export type { Bound } from "./server/data-plane.ts";
