/** What the reconciler is given, and what it says. */
import type { LbBackend, LbError } from "../backends/backend.ts";
import type { Clock } from "../clock.ts";
import type { Marks } from "../marks.ts";
import type { LbState, LbTarget } from "../state.ts";
import type { Intervals } from "./keeper-options.ts";

export interface ReconcilerOptions {
  readonly backend: LbBackend;
  /** What the target must hold, as things are; called anew for each pass. No system calls. `Planner.plan`. */
  readonly plan: (target: LbTarget) => LbState;
  /** Of what is planned, that which can be had: takes what is needed beside the namespace, and leaves out what it does not get. */
  readonly reserve?: (target: LbTarget, planned: LbState) => LbState;
  /** What `plan` plans is of this revision, which may be ahead of what was requested. Default: the newest requested. */
  readonly revision?: () => number;
  /** Learns what marks are in the host's own namespaces, and which are free again. */
  readonly marks?: Pick<Marks, "adopt"> & { readonly keep: (keys: ReadonlySet<string>) => void };
  /** Told what a listener of ours has thrown; it has no other consequence. */
  readonly onError?: (error: unknown) => void;
  /** Default: the machine's. */
  readonly clock?: Clock;
  readonly intervals?: Partial<Intervals>;
  /** Targets that are worked on at a time. Default 8. */
  readonly concurrency?: number;
}

export interface TargetStatus {
  readonly target: string;
  /** Everything up to this revision is installed; -1: nothing yet. */
  readonly revision: number;
  readonly state: "equal" | "working" | "degraded";
  /** Why it is degraded. */
  readonly reason?: string;
  /** Entries that are still there without being wanted: they drain, or wait for `release`. */
  readonly leaving: number;
}

/** A target, and what is known of its namespace. */
export interface Kept {
  readonly target: LbTarget;
  /** What our last change left there; undefined if that is not known, after a failure say. */
  readonly there: LbState | undefined;
  /** It is being looked at or changed. */
  readonly busy: boolean;
  readonly status: TargetStatus;
}

export interface Installed {
  /** Targets that fail; they are tried again. */
  readonly degraded: readonly TargetStatus[];
  /** Targets that were still at it when the time was over. */
  readonly late: readonly TargetStatus[];
}

export interface InstalledOptions {
  readonly timeout?: number;
  readonly slow?: boolean;
  readonly patient?: boolean;
}

export interface ReconcilerEvents {
  /** A target's state or reason is another. */
  status: (status: TargetStatus) => void;
  /** The kernel was found to be so many steps away from what it was left in, and has been put right. */
  repaired: (target: string, steps: number) => void;
  /** A sandbox's namespace is gone: the target was dropped. (Others are degraded: they are expected back.) */
  gone: (target: string, error: LbError) => void;
}
