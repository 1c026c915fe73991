/** `eleven-dns/backends`: what puts balancing into a kernel, and the parts to build another such. Re-exports only. */

export { type LbBackend, LbError, type Taken } from "./lb-programmer/backends/backend.ts";
export { type Access, Found } from "./lb-programmer/backends/common/found.ts";
export { DryRunBackend, type DryRunOptions } from "./lb-programmer/backends/dry-run.ts";
export { IpvsBackend, type IpvsOptions } from "./lb-programmer/backends/ipvs/backend.ts";
export { NftablesBackend, type NftablesOptions } from "./lb-programmer/backends/nftables/backend.ts";
export type { Clock } from "./lb-programmer/clock.ts";
export { diff } from "./lb-programmer/diff.ts";
export { Marks } from "./lb-programmer/marks.ts";
export { normal } from "./lb-programmer/normal.ts";
export type { PlanContext } from "./lb-programmer/plan/context.ts";
export { Planner } from "./lb-programmer/plan/planner.ts";
export type { Told } from "./lb-programmer/plan/touched-services.ts";
export type { Intervals } from "./lb-programmer/reconcile/keeper-options.ts";
export { createReconciler, type Reconciler } from "./lb-programmer/reconcile/reconciler.ts";
export type * from "./lb-programmer/reconcile/reconciler-options.ts";
export type * from "./lb-programmer/state.ts";
export { EMPTY } from "./lb-programmer/state.ts";
export type { Lock } from "./os/lock.ts";
export { StateDir } from "./os/state-dir.ts";
