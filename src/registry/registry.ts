/** The registry: changes in, events out, and a revision to wait for. */
import { EventEmitter } from "eventemitter3";
import type { ChangeInput } from "../model/input.ts";
import type { Change, ReadonlyState, Touched } from "../model/types.ts";
import { type Reduced, reduce } from "./reduce.ts";
import { State } from "./state.ts";

/** What one batch came to. */
export interface Applied {
  readonly revision: number;
  readonly touched: Touched;
  /** The changes with addresses and ports filled in. */
  readonly changes: readonly Change[];
}

export interface RegistryEvents {
  change: [applied: Applied];
}

export class Registry extends EventEmitter<RegistryEvents> {
  readonly #state = new State();

  /** A live view, not a copy: it is what it was until the next `apply`. */
  get state(): ReadonlyState {
    return this.#state;
  }

  get revision(): number {
    return this.#state.revision;
  }

  /**
   * Applies all changes or, with a RegistryError, none. Returns the revision, one higher than before unless nothing
   * changed. Listeners of "change" have run when it returns. Nothing of what is given is kept: it may be changed afterwards.
   */
  apply(changes: readonly ChangeInput[]): number {
    return this.#commit(reduce(this.#state, changes));
  }

  /** The same for what a store kept: its sandboxes may have outlived their container or task. */
  restore(changes: readonly ChangeInput[]): number {
    return this.#commit(reduce(this.#state, changes, { orphans: true }));
  }

  #commit({ touched, changes: done }: Reduced): number {
    if (done.length === 0) return this.#state.revision;
    const revision = ++this.#state.revision;
    this.emit("change", { revision, touched, changes: done });
    return revision; // not the state's: a listener may have applied more
  }

  /** Resolves when the registry has reached the revision; rejects with the signal's reason if that comes first. */
  waitFor(revision: number, signal?: AbortSignal): Promise<void> {
    if (this.revision >= revision) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const done = (): void => {
        this.off("change", check);
        signal?.removeEventListener("abort", abort);
      };
      const check = (applied: Applied): void => {
        if (applied.revision < revision) return;
        done();
        resolve();
      };
      const abort = (): void => {
        done();
        reject(signal?.reason);
      };
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener("abort", abort, { once: true });
      this.on("change", check);
    });
  }
}
