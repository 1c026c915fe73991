/** What is planned with, beside the registry's state and the target. */
import type { Network } from "../../model/types.ts";
import type { HostTarget, IngressTarget, NetworkTarget, Placement, PublishedPort } from "../state.ts";
import type { Balanced } from "./balanced.ts";
import type { PerService } from "./per-service.ts";
import type { ServerCache } from "./servers.ts";
import type { TouchedServices } from "./touched-services.ts";

/** What a plan depends on beside the registry's state and the target. */
export interface PlanContext {
  readonly placement: Placement;
  /** The mark of a virtual server's key; `Marks.of`. */
  readonly marks: (key: string) => number;
  /** This node, as tasks name it. */
  readonly node: string;
  /** Of a namespace that has virtual servers: what its backend needs there (`sysctlsOf` in backends/backend.ts). */
  readonly sysctls: Readonly<Record<string, string>>;
}

/** The context, and what the planner keeps between plans. */
export interface Planning extends PlanContext {
  readonly touched: TouchedServices;
  readonly servers: ServerCache;
  /** For all sandboxes of a network together, and for each target that others' connections pass through. */
  readonly balanced: WeakMap<Network | NetworkTarget | IngressTarget, Balanced>;
  readonly published: WeakMap<HostTarget, PerService<PublishedPort>>;
}
