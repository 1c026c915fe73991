/** Where objects are kept: one door, through which a node's own writes come back as well as everybody else's. */
import type { ChangeInput } from "../../model/input.ts";
import type { Notice } from "../../model/notice.ts";
import type { Change } from "../../model/types.ts";
import type { Fed, Rehearsed } from "../registry.ts";

/** What a store feeds; a registry is one. Nobody else may change it as long as the store is open. */
export interface Feed {
  readonly revision: number;
  /** How many objects there are: for a store that is open, those that are stored. */
  readonly size: number;
  /** A put for each of them, in an order that an empty registry accepts. */
  objects(): readonly Change[];
  /**
   * Takes a batch, all of it or (with an error) none, and says what has become of each object: that is what is kept. `keep` is told
   * before anybody else is, for they may write the next batch at once.
   */
  feed(changes: readonly ChangeInput[], keep?: (objects: readonly Change[]) => void): Pick<Fed, "revision" | "objects">;
  /**
   * Takes what was stored before, in one batch, and goes on from the revision that it was stored at. Its sandboxes may have outlived their
   * container or task.
   */
  restore(stored: Iterable<Change>, revision: number): number;
  /** What `feed` would make of these batches, one after the other. For stores that must keep before they feed. */
  rehearse(batches: readonly (readonly ChangeInput[])[]): Rehearsed[];
}

export interface OpenOptions {
  /** Aborted, it closes the store; or makes `open` reject, if it comes first. Once the store is closed it means nothing any more. */
  readonly signal?: AbortSignal | undefined;
  /** Told what an operator should know. */
  readonly onNotice?: Notice | undefined;
}

export interface Store {
  /**
   * Feeds what is stored, in one batch that an empty registry accepts, then every write in order. Resolves when the first
   * batch has been fed (there is none if nothing was ever stored; it is empty if nothing is left).
   */
  open(feed: Feed, options?: OpenOptions): Promise<void>;
  /**
   * Resolves to the revision when the changes are stored and fed. What is stored is what `feed` made of them, allocated addresses and
   * all: fed again, it is the same in whatever order. The revision is stored with it. What `feed` throws is thrown here, and then nothing is stored; what can't be
   * stored is not fed. An empty batch is neither stored nor fed, and resolves to the revision that there is.
   */
  write(changes: readonly ChangeInput[]): Promise<number>;
  /**
   * Resolves when writes under way are done, or the opening is that is; nothing is fed from then on. Twice is fine; a closed store can be
   * opened again.
   */
  close(): Promise<void>;
}

/**
 * "closed": written before `open` or after `close`. "open": opened twice. "held": another process has it open. "damaged", "format":
 * what is stored can't be read, or is from a newer release; it stays as it is. "failed": the system could not read or write.
 */
export type StoreCode = "closed" | "open" | "held" | "damaged" | "format" | "failed";

export class StoreError extends Error {
  readonly code: StoreCode;
  readonly op: "open" | "write";

  constructor(code: StoreCode, op: "open" | "write", message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.name = "StoreError";
    this.code = code;
    this.op = op;
  }
}

/** What the system said when a file could not be read or written. */
export const failure = (op: "open" | "write", path: string, error: unknown): StoreError =>
  new StoreError("failed", op, `${path} can't be ${op === "open" ? "opened" : "written"}: ${reason(error)}`, error);

const reason = (error: unknown): string =>
  (error as NodeJS.ErrnoException).code ?? (error instanceof Error ? error.message : String(error));
