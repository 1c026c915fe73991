/** A network's load-balancer sandbox on this node: Docker's layout since 18.09. */
import type { ReadonlyState } from "../../model/types.ts";
import { EMPTY, type LbState, type NetworkTarget } from "../state.ts";
import { Balanced, keptFor, reachedOn } from "./balanced.ts";
import { planPassing } from "./passing.ts";
import type { Planning } from "./planning.ts";

/** The VIPs of the network's services are addresses of this namespace, and tasks see its own address as the client's. */
export function planNetwork(state: ReadonlyState, target: NetworkTarget, planning: Planning): LbState {
  if (planning.placement !== "network") return EMPTY;
  const { balanced, servers, touched } = planning;
  const make = () => new Balanced(touched, target.device, reachedOn(target.network, "arriving", servers));
  return planPassing(state, target, keptFor(balanced, target, make), planning);
}
