/** Changes of names on their way to the data plane: in the order of their revisions, and none is left out. */
import type { ScopePatch } from "../scoping/patch.ts";
import type { DataPlane } from "../server/data-plane.ts";

export class Names {
  readonly #plane: Pick<DataPlane, "update" | "applied">;
  /** Those that wait, oldest first. */
  readonly #waiting: ScopePatch[] = [];
  /** Patches up to this revision have nothing to wait for but their turn. */
  #due = 0;

  constructor(plane: Pick<DataPlane, "update" | "applied">) {
    this.#plane = plane;
  }

  /** Waits until it is asked for with `become`. */
  wait(patch: ScopePatch): void {
    this.#waiting.push(patch);
  }

  /** What waits for nothing, but must not overtake what does. */
  inOrder(patch: ScopePatch): void {
    if (this.#waiting.length === 0) this.#due = patch.revision;
    this.#waiting.push(patch);
    this.#take();
  }

  /**
   * Hands over the patches up to this revision: they are in force on this thread when this returns, on all threads when it resolves. Rejects
   * if the data plane does not take one: that is the first that it is given next time.
   */
  async become(revision: number): Promise<void> {
    this.#due = Math.max(this.#due, revision);
    this.#take();
    await this.#plane.applied(revision);
  }

  /** A patch leaves the list when it is in force: the next one makes no sense without it. */
  #take(): void {
    for (let next = this.#waiting[0]; next !== undefined && next.revision <= this.#due; next = this.#waiting[0]) {
      this.#plane.update(next);
      this.#waiting.shift();
    }
  }
}
