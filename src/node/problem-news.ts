/** Which sandboxes do not answer as they should, told when it is another problem than before, or none any more. */
import type { SandboxId } from "../model/types.ts";

export class ProblemNews {
  readonly #problemOf: (id: SandboxId) => Error | undefined;
  readonly #tell: (id: SandboxId, problem: Error | undefined) => void;
  /** What was told last. */
  readonly #told = new Map<SandboxId, string>();

  constructor(
    problemOf: (id: SandboxId) => Error | undefined,
    tell: (id: SandboxId, problem: Error | undefined) => void,
  ) {
    this.#problemOf = problemOf;
    this.#tell = tell;
  }

  /** Something may be otherwise with this one. */
  look(id: SandboxId): void {
    const problem = this.#problemOf(id);
    if (problem?.message === this.#told.get(id)) return;
    if (problem === undefined) this.#told.delete(id);
    else this.#told.set(id, problem.message);
    this.#tell(id, problem);
  }
}
