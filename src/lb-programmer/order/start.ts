/** Finds the backend of a node. Where nothing works for now it goes on trying: a namespace, a module or a tool may come. */

import { isGone } from "../backends/backend.ts";
import type { LbTarget } from "../state.ts";
import type { Choice } from "./choose.ts";

export interface StartOptions {
  /** Rejects if nothing works there. */
  readonly choose: (probed: LbTarget) => Promise<Choice>;
  /** What there is to balance in; "auto" looks at the first that can be entered, and at others if a container's refuses. */
  readonly targets: () => Iterable<LbTarget>;
  /** Called once. */
  readonly found: (choice: Choice) => void;
  readonly onProblem: (problem: string) => void;
}

/** Milliseconds until the next try: after the first, and at most. */
const RETRY = [500, 30_000] as const;

/** Sandboxes that may refuse in one try: a kernel that has nothing to balance with is not asked by hundreds. */
const MOST_REFUSALS = 8;

export class Start {
  readonly #options: StartOptions;
  /** Why there is no backend yet. */
  problem: string | undefined;
  #trying: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #over = false;
  /** Sandboxes whose namespace has refused, by target, the latest last. */
  readonly #refused = new Set<string>();

  constructor(options: StartOptions) {
    this.#options = options;
  }

  /** Tries now: there is another target. */
  again(): void {
    if (this.#over || this.#trying !== undefined) return;
    clearTimeout(this.#timer);
    this.#trying = this.#try();
  }

  /** The first try is at work. Once one has failed, nobody waits for the next. */
  get first(): boolean {
    return this.problem === undefined && this.#trying !== undefined;
  }

  /** Resolves when the first try is over. */
  async tried(): Promise<void> {
    if (this.first) await this.#trying;
  }

  async close(): Promise<void> {
    this.#over = true;
    clearTimeout(this.#timer);
    await this.#trying;
  }

  async #try(): Promise<void> {
    await undefined;
    try {
      await this.#tryTargets();
    } finally {
      this.#trying = undefined;
    }
  }

  async #tryTargets(): Promise<void> {
    const { choose, found, onProblem } = this.#options;
    let problem: string | undefined;
    let refusals = 0;
    for (const target of this.#inTurn()) {
      try {
        const choice = await choose(target);
        if (this.#over) return choice.backend.close?.();
        this.#over = true;
        this.problem = undefined;
        return found(choice);
      } catch (error) {
        problem ??= error instanceof Error ? error.message : String(error);
        if (isGone(error)) continue;
        if (target.kind !== "sandbox") break; // it would be the same elsewhere
        this.#refuses(target);
        if (++refusals === MOST_REFUSALS) break;
      }
    }
    if (problem === undefined || this.#over) return;
    this.problem = problem;
    onProblem(problem);
    this.#timer = setTimeout(() => this.again(), Math.min(RETRY[0] * 2 ** this.#failures++, RETRY[1])).unref();
  }

  /** The node's own namespaces first, since what a sandbox's refuses its container may have brought about; those that have refused, last. */
  #inTurn(): readonly LbTarget[] {
    const refused = new Map([...this.#refused].map((id, i) => [id, i]));
    const turn = ({ kind, id }: LbTarget): number => (kind === "sandbox" ? (refused.get(id) ?? -1) : -2);
    return [...this.#options.targets()].sort((a, b) => turn(a) - turn(b));
  }

  #refuses({ id }: LbTarget): void {
    this.#refused.delete(id);
    this.#refused.add(id);
  }
}
