/** Looks at a log without a node: whether it can be read, whether a registry takes what it says, and how much that is. Nothing is changed. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { Change } from "../../model/types.ts";
import { KINDS, type Kind } from "../kinds.ts";
import { Registry } from "../registry.ts";
import { Objects } from "./objects.ts";
import { type LogRead, readLog } from "./read-log.ts";
import { failure, StoreError } from "./store.ts";

/** What a good log says. */
export interface Checked extends LogRead {
  readonly counts: ReadonlyMap<Kind, number>;
  /** A put for each, in an order that an empty registry accepts. */
  readonly objects: readonly Change[];
}

/** How often a log is read that changes while it is read. */
const TRIES = 3;

/** A process may be writing to it meanwhile: it is as it was at some moment in between. Rejects with a StoreError that says what is wrong where. */
export async function checkLog(path: string): Promise<Checked> {
  for (let left = TRIES; ; left--) {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch((error) => {
      throw failure("open", path, error);
    });
    try {
      const before = await file.stat();
      if (!before.isFile()) throw new StoreError("damaged", "open", `${path} is no file`);
      const objects = new Objects();
      const read = await readLog(path, file, ({ changes }) => objects.keep(changes)).catch(async (error) => {
        if (!(error instanceof StoreError)) throw failure("open", path, error);
        const { mtimeMs } = await file.stat();
        if (error.code !== "damaged" || left === 1 || mtimeMs === before.mtimeMs) throw error;
      });
      // What looked damaged was taken back while it was read, for want of room on the disk say.
      if (read !== undefined) return checked(path, read, objects.all());
    } finally {
      await file.close();
    }
  }
}

function checked(path: string, read: LogRead, objects: readonly Change[]): Checked {
  try {
    new Registry().restore(objects, read.revision);
  } catch (error) {
    const why = `what is in it does not fit together: ${(error as Error).message}`;
    throw new StoreError("damaged", "open", `${path}: ${why}; the file is left as it is`, error);
  }
  const counts = new Map(KINDS.map((kind) => [kind, objects.filter((change) => change.kind === `${kind}.put`).length]));
  return { ...read, counts, objects };
}
