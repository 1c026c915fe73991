/**
 * What each target must hold, from everything that exists. Pure: the same state, target and context give the same plan.
 *
 *   sandbox   the services of its networks, balanced where the connection starts (placement "sandbox"); its published ports
 *   network   the services of the network, balanced where their VIPs are (placement "network")
 *   ingress   published ports, to tasks on any node, or on this one
 *   host      published ports, to the ingress sandbox; ports of tasks that are published on this host only
 */
import type { ReadonlyState } from "../../model/types.ts";
import type { LbState, LbTarget } from "../state.ts";
import type { PlanContext } from "./context.ts";
import { planHost } from "./host.ts";
import { planIngress } from "./ingress.ts";
import { planNetwork } from "./network.ts";
import { planSandbox } from "./sandbox.ts";

export type { PlanContext } from "./context.ts";

/** The whole state that `target` must hold; empty if what the target is for does not exist (any more). */
export function plan(state: ReadonlyState, target: LbTarget, context: PlanContext): LbState {
  switch (target.kind) {
    case "sandbox":
      return planSandbox(state, target, context);
    case "network":
      return planNetwork(state, target, context);
    case "ingress":
      return planIngress(state, target, context);
    case "host":
      return planHost(state, target, context);
  }
}
