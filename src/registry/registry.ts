/** The registry: changes in, events out, and a revision to wait for. */
import { Emitter } from "../model/emitter.ts";
import type { ChangeInput } from "../model/input.ts";
import { listenerThrew } from "../model/thrown.ts";
import type { Change, ReadonlyState, Touched } from "../model/types.ts";
import { became } from "./became.ts";
import type { RegistryError } from "./error.ts";
import { KINDS, MAPS, putOf } from "./kinds.ts";
import { reduce, reduceStored } from "./reduce.ts";
import { type Missing, refusals } from "./refusals.ts";
import { State } from "./state.ts";

/** What one batch came to. */
export interface Applied {
  readonly revision: number;
  readonly touched: Touched;
  /** The changes with addresses and ports filled in. */
  readonly changes: readonly Change[];
}

/** The same for a store: it keeps what became of each object, by other changes' doing, too (a service takes its tasks along). */
export interface Fed extends Applied {
  readonly objects: readonly Change[];
}

export interface RegistryEvents {
  change: [applied: Applied];
}

export interface RegistryOptions {
  /** Called after each batch, before any listener: no listener can be in its way, and nobody can take it off. */
  readonly follow?: (applied: Applied) => void;
  /** Told what a listener has thrown. Default: it is a warning of the process's. */
  readonly threw?: (error: unknown, event: string) => void;
}

export class Registry extends Emitter<RegistryEvents> {
  readonly #state = new State();
  readonly #follow: (applied: Applied) => void;

  constructor({ follow = () => {}, threw = warn }: RegistryOptions = {}) {
    super(threw);
    this.#follow = follow;
  }

  /** A live view, not a copy: it is what it was until the next `apply`. */
  get state(): ReadonlyState {
    return this.#state;
  }

  get revision(): number {
    return this.#state.revision;
  }

  /**
   * Applies all changes or, with a RegistryError, none. Returns the revision, one higher than before unless nothing
   * changed. Listeners of "change" have run when it returns, or run next if it is one of them that applies. Nothing of what is given is kept: it may be changed afterwards.
   */
  apply(changes: readonly ChangeInput[]): number {
    const { touched, changes: done } = reduce(this.#state, changes);
    return this.#done(touched, done);
  }

  /** How many objects there are. */
  get size(): number {
    return KINDS.reduce((sum, kind) => sum + this.#state[MAPS[kind]].size, 0);
  }

  /** A put for each of them, in an order that an empty registry accepts. */
  objects(): Change[] {
    return KINDS.flatMap((kind) => [...this.#state[MAPS[kind]].values()].map((object) => putOf(kind, object)));
  }

  /**
   * As `apply`, for what a store kept at a revision: that is what there is then, or the next one if the registry has been there already.
   * Its sandboxes may have outlived their container or task.
   */
  restore(stored: Iterable<Change>, revision = 0): number {
    const { touched, changes: done } = reduceStored(this.#state, stored);
    return this.#done(touched, done, revision);
  }

  /** As `apply`; says what came of it, to `keep` before anybody else is told. */
  feed(changes: readonly ChangeInput[], keep: (objects: readonly Change[]) => void = () => {}): Fed {
    const { touched, changes: done } = reduce(this.#state, changes);
    const objects = became(this.#state, touched); // now: a listener may apply more
    keep(objects);
    return { revision: this.#done(touched, done), touched, changes: done, objects };
  }

  /**
   * What `feed` would make of these batches, one after the other: its objects, or why it would refuse. Nothing is changed; the same
   * batches fed next, the refused ones left out, come to the same.
   */
  rehearse(batches: readonly (readonly ChangeInput[])[]): Rehearsed[] {
    const undo: (() => void)[] = [];
    let { revision } = this;
    const rehearsed = batches.map((changes): Rehearsed => {
      try {
        const reduced = reduce(this.#state, changes);
        undo.push(reduced.undo);
        if (reduced.changes.length > 0) revision++;
        return { objects: became(this.#state, reduced.touched), revision };
      } catch (refused) {
        return { refused };
      }
    });
    for (const takeBack of undo.reverse()) takeBack();
    return rehearsed;
  }

  /**
   * Every reason why `apply` would refuse the batch, where it would say the first one: each change is tried on what went well before it.
   * What is refused only because something else is, is left out; so is what asks for something that is `missing`, which its owner knows.
   */
  refusals(changes: readonly ChangeInput[], missing?: Missing): RegistryError[] {
    return refusals(this.#state, changes, missing);
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

  #done(touched: Touched, changes: readonly Change[], least = 0): number {
    const { revision: before } = this.#state;
    const revision = Math.max(changes.length > 0 ? before + 1 : before, least);
    if (revision === before) return before;
    this.#state.revision = revision;
    const applied = { revision, touched, changes };
    this.#follow(applied);
    this.emit("change", applied);
    return revision; // not the state's: a listener may have applied more
  }
}

/** What a batch would come to. */
export type Rehearsed =
  | { readonly objects: readonly Change[]; readonly revision: number }
  | { readonly refused: unknown };

const warn = listenerThrew((message) => process.emitWarning(message));
