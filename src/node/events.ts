/**
 * What a node says without being asked. Listeners are called in the step in which it happens, after everything of the node's own; what
 * one throws is a notice, and neither the node nor other listeners see anything of it.
 */
import type { TargetStatus } from "../lb-programmer/reconcile/reconciler-options.ts";
import type { SandboxId } from "../model/types.ts";
import type { Applied } from "../registry/registry.ts";
import type { UpstreamStatus } from "../server/upstream-news.ts";

export type { TargetStatus };

export interface NodeEvents {
  /** State is another: what was changed, with addresses and ports filled in, and the ids of all that this touched. */
  change: [applied: Applied];
  /** A namespace that is balanced in: it is being worked on, is as it should be, or can't be made so, and why. */
  status: [status: TargetStatus];
  /** A sandbox has a problem, another one than before, or (undefined) none any more. The same as in `problems`. */
  problem: [sandbox: SandboxId, problem: Error | undefined];
  /** An upstream has stopped answering, or answers again. Known only of those that are asked. */
  upstream: [upstream: UpstreamStatus];
  /** Somebody had changed our rules in a namespace that is balanced in; so many steps have put them right. */
  repaired: [target: string, steps: number];
}
