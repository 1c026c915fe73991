/**
 * The one way in for changes. Each batch is made of state as it is when its turn comes; who must know that nothing else is under way then
 * (a condition on what is there, a reload) has a turn alone. In the order in which they came.
 */
import type { ChangeInput } from "../model/input.ts";
import type { Notice } from "../model/notice.ts";
import type { Change, ReadonlyState } from "../model/types.ts";
import type { Registry } from "../registry/registry.ts";
import type { Store } from "../registry/stores/store.ts";
import { NodeError } from "./error.ts";

/** A batch, or how it is made of state in the step in which it is written: what that throws refuses it, and nothing has happened. */
export type Batch = readonly ChangeInput[] | ((state: ReadonlyState) => readonly ChangeInput[]);

export interface WriteOptions {
  /** Nothing else is being written meanwhile: what the batch is made of is still so when it is in force. Default false. */
  readonly alone?: boolean;
}

export class Door {
  readonly #registry: Registry;
  readonly #store: Store | undefined;
  /** Aborted when the node closes: then a store that is not open yet need not come to be. */
  readonly #opening = new AbortController();
  /** Resolves when what was stored has been fed. */
  readonly opened: Promise<void> | undefined;
  readonly #waiting: { readonly alone: boolean; readonly go: () => void }[] = [];
  /** Those that are being written; one that is alone counts for all there can be. */
  #under = 0;

  constructor(registry: Registry, store: Store | undefined, onNotice: Notice) {
    this.#registry = registry;
    this.#store = store;
    this.opened = store?.open(registry, { onNotice, signal: this.#opening.signal });
    this.opened?.catch(() => {}); // `ready` and `write` say it
  }

  apply(changes: readonly ChangeInput[]): number {
    if (this.#store === undefined) return this.#registry.apply(changes);
    throw new NodeError("stored", "apply", "this node has a store, and what is applied would not be stored: use write");
  }

  /** `check` throws if the node has closed meanwhile. */
  async write(batch: Batch, { alone = false }: WriteOptions, check: () => void): Promise<number> {
    if (this.#store === undefined) return this.#registry.apply(this.#made(batch));
    await this.opened;
    if (!this.#take(alone)) await new Promise<void>((go) => this.#waiting.push({ alone, go }));
    try {
      check();
      return await this.#store.write(this.#made(batch));
    } finally {
      this.#under = alone ? 0 : this.#under - 1;
      this.#next();
    }
  }

  /** What would become of each object. Throws what `write` would be rejected with. */
  rehearse(batch: Batch): readonly Change[] {
    const [rehearsed] = this.#registry.rehearse([this.#made(batch)]);
    if ("refused" in rehearsed!) throw rehearsed.refused;
    return rehearsed!.objects;
  }

  async close(): Promise<void> {
    this.#opening.abort(new NodeError("closed", "close", "the node was closed before its store was open"));
    await this.opened?.catch(() => {});
    await this.#store?.close();
  }

  #made(batch: Batch): readonly ChangeInput[] {
    return typeof batch === "function" ? batch(this.#registry.state) : batch;
  }

  /** Nobody overtakes who waits: else one that wants to be alone would wait for ever. */
  #take(alone: boolean): boolean {
    if (this.#waiting.length > 0 || !this.#free(alone)) return false;
    this.#under += alone ? Number.POSITIVE_INFINITY : 1;
    return true;
  }

  #free(alone: boolean): boolean {
    return alone ? this.#under === 0 : this.#under < Number.POSITIVE_INFINITY;
  }

  #next(): void {
    for (let first = this.#waiting[0]; first !== undefined && this.#free(first.alone); first = this.#waiting[0]) {
      this.#waiting.shift();
      this.#under += first.alone ? Number.POSITIVE_INFINITY : 1;
      first.go();
    }
  }
}
