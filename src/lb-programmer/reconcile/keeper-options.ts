/** What the keepers of a node are given: the same for all of them. */

import type { LbBackend, LbError } from "../backends/backend.ts";
import type { Clock } from "../clock.ts";
import type { Marks } from "../marks.ts";
import type { LbState, LbTarget } from "../state.ts";
import type { Gate } from "./gate.ts";
import type { Limit } from "./limit.ts";

/** Milliseconds. */
export interface Intervals {
  /** From one pass over a target to the next. Default 0. */
  readonly min: number;
  /** Until a failed pass is repeated: at first, and at most. Default 200 and 30 000. */
  readonly retry: readonly [number, number];
  /** From one look at the kernel to the next, when nothing else is to be done. Default 30 000. */
  readonly drift: number;
  /** From the backend's word that something may have changed to the look; longer while they go on. Default 250. */
  readonly check: number;
  /** Between two looks at the connections of tasks that drain. Default 1 000. */
  readonly drain: number;
}

export interface KeeperOptions {
  readonly backend: LbBackend;
  /** What the target must hold, and what of that can be had. */
  readonly plan: (target: LbTarget) => LbState;
  readonly reserve: (target: LbTarget, planned: LbState) => LbState;
  readonly marks: Pick<Marks, "adopt"> | undefined;
  readonly clock: Clock;
  /** Passes that are at work at a time. */
  readonly limit: Limit;
  /** The same for containers' namespaces that were slow lately: whoever makes us wait there makes only his like wait. */
  readonly slowLimit: Limit;
  readonly intervals: Intervals;
  /** The newest revision that was requested. */
  readonly requested: () => number;
  /** The revision that a plan made now is of: the newest requested, or a later one. */
  readonly planned: () => number;
  /** What left a plan up to this revision may go. */
  readonly released: () => number;
  readonly gate: Gate;
  /** Something about the target's status is different. */
  readonly changed: (id: string) => void;
  /** A pass is over, well or not. `removed`: it took virtual servers away. */
  readonly ended: (removed: boolean) => void;
  readonly repaired: (id: string, steps: number) => void;
  /** The keeper of this id, unless there is another one by now, has lost its namespace. */
  readonly gone: (id: string, keeper: object, error: LbError) => void;
}
