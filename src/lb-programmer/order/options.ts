/** How a node balances: what the registry does not say. */

import type { BackendName } from "../../model/backends.ts";
import type { LbBackend } from "../backends/backend.ts";
import type { HostTarget, Idle, IngressTarget, NetworkTarget, Placement } from "../state.ts";

export interface BalanceOptions {
  /** "auto": the first of backends/table.ts that works here. Or a backend of one's own. Default "auto". */
  readonly backend?: "auto" | BackendName | LbBackend;
  /** Where connections to VIPs are balanced. Default "sandbox": in the namespace that they start from. */
  readonly placement?: Placement;
  /** This node, as tasks name it. Default "node-1". */
  readonly node?: string;
  /** Seconds that a balanced connection may be silent before the kernel forgets it. Missing: the kernel's own. */
  readonly idle?: Idle;
  /** Load-balancer sandboxes, one for each network on this node, for placement "network". */
  readonly networks?: readonly Omit<NetworkTarget, "id" | "kind">[];
  /** The routing mesh on this node: its ingress sandbox, and the host that leads to it. */
  readonly mesh?: {
    readonly ingress: Omit<IngressTarget, "id" | "kind" | "network">;
    readonly host: Omit<HostTarget, "id" | "kind">;
  };
}
