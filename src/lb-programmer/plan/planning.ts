/** What is planned with, beside the registry's state and the target: the context, and what the planner keeps between plans. */
import type { Network } from "../../model/types.ts";
import type { HostTarget, IngressTarget, NetworkTarget } from "../state.ts";
import type { Balanced } from "./balanced.ts";
import type { PlanContext } from "./context.ts";
import type { WantedPort } from "./host-ports.ts";
import type { PerService } from "./per-service.ts";
import type { ServerCache } from "./servers.ts";
import type { TouchedServices } from "./touched-services.ts";

export interface Planning extends PlanContext {
  readonly touched: TouchedServices;
  readonly servers: ServerCache;
  /** For all sandboxes of a network together, and for each target that others' connections pass through. */
  readonly balanced: WeakMap<Network | NetworkTarget | IngressTarget, Balanced>;
  readonly published: WeakMap<HostTarget, PerService<WantedPort>>;
}
