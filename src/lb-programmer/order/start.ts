/** Finds the backend of a node. Where nothing works for now it goes on trying: a namespace, a module or a tool may come. */

import { isGone } from "../backends/backend.ts";
import type { LbTarget } from "../state.ts";
import type { Choice } from "./choose.ts";

export interface StartOptions {
  /** Rejects if nothing works there. */
  readonly choose: (probed: LbTarget) => Promise<Choice>;
  /** What there is to balance in; "auto" looks at the first that can be entered. */
  readonly targets: () => Iterable<LbTarget>;
  /** Called once. */
  readonly found: (choice: Choice) => void;
  readonly onProblem: (problem: string) => void;
}

/** Milliseconds until the next try: after the first, and at most. */
const RETRY = [500, 30_000] as const;

export class Start {
  readonly #options: StartOptions;
  /** Why there is no backend yet. */
  problem: string | undefined;
  #trying: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #over = false;

  constructor(options: StartOptions) {
    this.#options = options;
  }

  /** Tries now: there is another target. */
  again(): void {
    if (this.#over || this.#trying !== undefined) return;
    clearTimeout(this.#timer);
    this.#trying = this.#try();
  }

  /** Resolves when the try at work is over; at once if one has failed before: nobody waits for the next. */
  async tried(): Promise<void> {
    if (this.problem === undefined) await this.#trying;
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
    const { targets, choose, found, onProblem } = this.#options;
    let problem: string | undefined;
    for (const target of [...targets()]) {
      try {
        const choice = await choose(target);
        if (this.#over) return choice.backend.close?.();
        this.#over = true;
        this.problem = undefined;
        return found(choice);
      } catch (error) {
        problem ??= error instanceof Error ? error.message : String(error);
        if (!isGone(error)) break; // it would be the same elsewhere
      }
    }
    if (problem === undefined || this.#over) return;
    this.problem = problem;
    onProblem(problem);
    this.#timer = setTimeout(() => this.again(), Math.min(RETRY[0] * 2 ** this.#failures++, RETRY[1])).unref();
  }
}
