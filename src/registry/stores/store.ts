/** Where objects are kept: one door, through which a node's own writes come back as well as everybody else's. */
import type { Change } from "../../model/types.ts";

/** Takes a batch: all of it, or none and an error. `registry.apply` is one. */
export type Feed = (changes: readonly Change[]) => void;

export interface Store {
  /**
   * Feeds what is stored, in one batch that an empty registry accepts, then every write in order. Resolves when the first
   * batch has been fed (there is none if nothing is stored). An aborted signal closes the store, or rejects if it comes first.
   */
  open(feed: Feed, signal?: AbortSignal): Promise<void>;
  /** Resolves when the changes are stored and fed. What `feed` throws is thrown here, and then nothing is stored. */
  write(changes: readonly Change[]): Promise<void>;
  /** Nothing is fed from here on. Twice is fine; a closed store can be opened again. */
  close(): Promise<void>;
}

/** "closed": written before `open` or after `close`. "open": opened twice. */
export class StoreError extends Error {
  readonly code: "closed" | "open";
  readonly op: "open" | "write";

  constructor(code: "closed" | "open", op: "open" | "write", message: string) {
    super(message);
    this.name = "StoreError";
    this.code = code;
    this.op = op;
  }
}
