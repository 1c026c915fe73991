/**
 * Plans what each target must hold, from everything that exists. No system calls, no clock: a plan depends on state, target and context,
 * and on which marks were given out before.
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
import { KeptPlans } from "./kept-plans.ts";
import { planNetwork } from "./network.ts";
import type { Planning } from "./planning.ts";
import { planSandbox } from "./sandbox.ts";
import { ServerCache, servicesOf } from "./servers.ts";
import { type Told, TouchedServices } from "./touched-services.ts";

/**
 * Owns identity: a virtual server that can't have changed since it was last planned comes back as the very same object, whatever
 * target it is planned for. Who compares two plans of one planner (diff.ts, reconcile/leaving.ts) may therefore take `Object.is` for
 * "nothing to do here", which is what makes one change among a thousand services cheap. Different objects may still be equal.
 *
 * Who tells it of every change (`follow`) has plans made from what was touched, and whole lists that are the same objects, for all
 * sandboxes of a network. Who does not has all services looked at each time.
 */
export class Planner {
  readonly #planning: Planning;
  readonly #kept = new KeptPlans();

  /** `revision`: of the state that there is now, if everything from here on is told (`follow`). */
  constructor(context: PlanContext, revision?: number) {
    this.#planning = {
      ...context,
      touched: new TouchedServices(revision),
      servers: new ServerCache(context),
      balanced: new WeakMap(),
      published: new WeakMap(),
    };
  }

  /** What a batch of changes touched, before anything is planned from it. */
  follow(told: Told): void {
    this.#planning.touched.follow(told);
    this.#kept.follow(told);
  }

  /** The marks of these keys are not theirs any more. */
  freed(keys: readonly string[]): void {
    this.#kept.forget();
    for (const key of keys) this.#planning.touched.add(servicesOf(key));
  }

  /** The whole state that `target` must hold; empty if what the target is for does not exist (any more). */
  plan(state: ReadonlyState, target: LbTarget): LbState {
    switch (target.kind) {
      case "sandbox":
        return this.#kept.of(state, target, () => planSandbox(state, target, this.#planning));
      case "network":
        return planNetwork(state, target, this.#planning);
      case "ingress":
        return planIngress(state, target, this.#planning);
      case "host":
        return planHost(state, target, this.#planning);
    }
  }
}
