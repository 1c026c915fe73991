/** What a plan depends on beside the registry's state and the target. */
import type { Placement } from "../state.ts";

export interface PlanContext {
  readonly placement: Placement;
  /** The mark of a virtual server's key; `Marks.of`. */
  readonly marks: (key: string) => number;
  /** This node, as tasks name it. */
  readonly node: string;
  /** Of a namespace that has virtual servers: what its backend needs there (`sysctlsOf` in backends/backend.ts). */
  readonly sysctls: Readonly<Record<string, string>>;
}
