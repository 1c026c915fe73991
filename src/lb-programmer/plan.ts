/**
 * What each target must hold, from everything that exists. Pure: the same state, target and context give the same plan.
 *
 *   sandbox   the services of its networks, balanced where the connection starts (placement "sandbox"); its published ports
 *   network   the services of the network, balanced where their VIPs are (placement "network")
 *   ingress   published ports, to tasks on any node, or on this one
 *   host      published ports, to the ingress sandbox; ports of tasks that are published on this host only
 */
import type { ReadonlyState } from "../model/types.ts";
import type { PlanContext } from "./plan-context.ts";
import { planHost } from "./plan-host.ts";
import { planIngress } from "./plan-ingress.ts";
import { planNetwork } from "./plan-network.ts";
import { planSandbox } from "./plan-sandbox.ts";
import type { LbState, LbTarget } from "./types.ts";

export type { PlanContext } from "./plan-context.ts";

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
