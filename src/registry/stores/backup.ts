/** A store's objects in a file of their own, and back. A backup is a log that was written as a whole, so what is missing of it is noticed. */
import { constants } from "node:fs";
import { link, open } from "node:fs/promises";
import { dirname } from "node:path";
import { type Notice, warn } from "../../model/notice.ts";
import { type Checked, checkLog } from "./check-log.ts";
import { lockStore } from "./lock-store.ts";
import { logIn } from "./place.ts";
import { readLog } from "./read-log.ts";
import { failure, StoreError } from "./store.ts";
import { syncFolder, writeNew, writeWhole } from "./write-log.ts";

/**
 * Writes what is stored in the directory to a new file, whole or not at all, and on disk when it resolves. The store may be open: what was
 * acknowledged before the call is in it. Rejects with a StoreError.
 */
export async function backup(directory: string, to: string): Promise<Checked> {
  const stored = await checkLog(logIn(directory));
  try {
    const { file } = await writeNew(to, stored.objects, stored.revision);
    await file.close();
    await syncFolder(dirname(to));
  } catch (error) {
    throw failure("write", to, error);
  }
  return stored;
}

export interface Restored extends Checked {
  /** Where what was there is now; undefined if nothing was. */
  readonly before: string | undefined;
}

/**
 * Puts a backup in the place of what is stored in the directory, which is kept beside it. Rejects with a StoreError if a process has the
 * store open, or if the backup is not good: then nothing has happened. Revisions go on from the higher one of the two, so that none comes to
 * mean something else.
 */
export async function restore(from: string, directory: string, notice: Notice = warn): Promise<Restored> {
  const good = await checkLog(from);
  const lock = lockStore(directory, notice);
  const log = logIn(directory);
  try {
    const before = await keepBeside(log);
    const revision = Math.max(good.revision, before === undefined ? 0 : await lastRevision(log)) + 1;
    const { file } = await writeWhole(log, good.objects, revision);
    await file.close();
    await syncFolder(directory);
    return { ...good, revision, before };
  } catch (error) {
    throw error instanceof StoreError ? error : failure("write", log, error);
  } finally {
    lock?.release();
  }
}

/** As far as it can be read: a damaged file is why a backup is wanted. */
async function lastRevision(path: string): Promise<number> {
  let last = 0;
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    await readLog(path, file, ({ revision }) => {
      last = revision;
    });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
  } finally {
    await file.close();
  }
  return last;
}

/** A second name for it, by which it is there when the first is another file's. */
async function keepBeside(log: string): Promise<string | undefined> {
  const kept = `${log}.before-${new Date().toISOString().replace(/[-:.]/g, "")}`;
  try {
    await link(log, kept);
    return kept;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
