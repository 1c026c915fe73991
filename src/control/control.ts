/** What the routes work with, all of them the same. */
import type { Notice } from "../model/notice.ts";
import type { Catalog } from "./catalog.ts";
import type { Controlled, ControlledConfig } from "./controlled.ts";
import type { EventLog } from "./event-log.ts";
import type { Waits } from "./waits.ts";

export interface Control {
  readonly node: Controlled;
  readonly config: ControlledConfig | undefined;
  readonly catalog: Catalog;
  readonly events: EventLog;
  readonly waits: Waits;
  readonly notice: Notice;
  /** Milliseconds, as `Date.now` has them. */
  readonly started: number;
  /** Whether all that the node was to do when it started is done. */
  readonly ready: () => boolean;
}
