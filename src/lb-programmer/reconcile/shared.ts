/** What all keepers of a node have in common. */

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

export interface Shared {
  readonly backend: LbBackend;
  readonly plan: (target: LbTarget) => LbState;
  readonly marks: Pick<Marks, "adopt"> | undefined;
  readonly clock: Clock;
  readonly limit: Limit;
  /** For containers' namespaces that were slow lately: whoever makes us wait there, waits for its like. */
  readonly slow: Limit;
  readonly intervals: Intervals;
  /** The newest revision that a plan may be of. */
  readonly revision: () => number;
  /** What a plan that is made now is of; that, or later. */
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
