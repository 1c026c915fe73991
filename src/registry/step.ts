/** What one change of a batch works with. */
import type { SandboxId } from "../model/types.ts";
import type { Ranges } from "./ranges.ts";
import type { State, Touching } from "./state.ts";
import type { Taking } from "./undo.ts";

export interface Step extends Taking {
  readonly state: State;
  readonly touched: Touching;
  /** Subnets that the batch asks for by name: not given to anyone else in it, whoever comes first. */
  readonly subnets: Ranges;
  /** Sandboxes that come to a member in this batch, and the change that brings them there. */
  readonly joined: Map<SandboxId, number>;
  /** The changes are objects as a store kept them: nothing of them is left out. */
  readonly stored: boolean;
  /** The change that is being applied. */
  index: number;
}
