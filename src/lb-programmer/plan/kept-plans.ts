/**
 * Plans of sandboxes that can't be others by now, since nothing but other sandboxes has changed: of hundreds, one that comes or goes has
 * only its own made. Whoever misses a change has all made again.
 */
import type { ReadonlyState, SandboxId } from "../../model/types.ts";
import type { LbState, SandboxTarget } from "../state.ts";
import type { Told } from "./touched-services.ts";

/** Sandboxes that are remembered to have changed. */
const MOST = 1_024;

/** What a sandbox's plan depends on beside itself. */
const OTHERS = ["networks", "services", "tasks", "containers", "tasksOf"] as const;

export class KeptPlans {
  readonly #plans = new WeakMap<SandboxTarget, Kept>();
  /** How often all plans were forgotten. */
  #forgotten = 0;
  /** Sandboxes that have changed since the first of these plans was made, and in which batch, the last time. */
  readonly #changed = new Map<SandboxId, number>();
  /** The batch that we were told of last. */
  #revision = Number.NaN;

  follow({ revision, touched }: Told): void {
    const others = OTHERS.some((kind) => touched[kind]?.size !== 0);
    if (others || revision !== this.#revision + 1 || this.#changed.size > MOST) this.forget();
    this.#revision = revision;
    for (const id of touched.sandboxes ?? []) this.#changed.set(id, revision);
  }

  forget(): void {
    this.#forgotten++;
    this.#changed.clear();
  }

  /** The plan as it was made for this very target, else as it is made now. */
  of(state: ReadonlyState, target: SandboxTarget, make: () => LbState): LbState {
    const { revision } = state;
    if (revision !== this.#revision) return make();
    const known = this.#plans.get(target);
    if (known?.forgotten === this.#forgotten && known.revision >= this.#lastChange(target)) return known.plan;
    const plan = make();
    this.#plans.set(target, { plan, revision, forgotten: this.#forgotten });
    return plan;
  }

  #lastChange({ sandbox, also = [] }: SandboxTarget): number {
    return also.reduce((last, id) => Math.max(last, this.#changed.get(id) ?? 0), this.#changed.get(sandbox) ?? 0);
  }
}

interface Kept {
  readonly plan: LbState;
  readonly revision: number;
  /** `#forgotten` by then: it counts as long as that is so. */
  readonly forgotten: number;
}
