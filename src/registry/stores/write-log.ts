/** A log written as a whole: beside its place first, and in its place once all of it is on disk. */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, link, open, rename, rm } from "node:fs/promises";
import type { Change } from "../../model/types.ts";
import { writeFirst, writeLine } from "./log-text.ts";

/** Changes on one line: the line is one string. */
const ON_A_LINE = 1_000;

export interface Written {
  readonly file: FileHandle;
  /** Octets in it. */
  readonly length: number;
}

/** That it is in its place is not on disk yet: `syncFolder`. What a crash left beside it is written over: the directory is ours. */
export function writeWhole(path: string, changes: readonly Change[], revision: number): Promise<Written> {
  return written(beside(path), constants.O_TRUNC, (made) => rename(made, path), changes, revision);
}

/** The same where others have files, too: none of theirs is touched, neither at the path nor beside it. */
export function writeNew(path: string, changes: readonly Change[], revision: number): Promise<Written> {
  const inPlace = async (made: string): Promise<void> => {
    await link(made, path); // takes no file's place, as a rename would
    await rm(made);
  };
  return written(`${path}.${randomBytes(8).toString("hex")}`, constants.O_EXCL, inPlace, changes, revision);
}

async function written(
  made: string,
  flag: number,
  inPlace: (made: string) => Promise<void>,
  changes: readonly Change[],
  revision: number,
): Promise<Written> {
  const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;
  const file = await open(made, O_RDWR | O_CREAT | flag | O_NOFOLLOW, 0o600);
  try {
    const lines = Math.max(Math.ceil(changes.length / ON_A_LINE), revision > 0 ? 1 : 0); // without objects, it says the revision
    let length = await writeAt(file, Buffer.from(writeFirst(lines)), 0);
    for (let i = 0; i < lines; i++) {
      const entry = { changes: changes.slice(i * ON_A_LINE, (i + 1) * ON_A_LINE), revision };
      length += await writeAt(file, Buffer.from(writeLine(entry)), length);
    }
    await file.datasync();
    await inPlace(made);
    return { file, length };
  } catch (error) {
    await file.close();
    await rm(made, { force: true }).catch(() => {});
    throw error;
  }
}

export const beside = (path: string): string => `${path}.new`;

/** How much was written: all of it. */
export async function writeAt(file: FileHandle, octets: Buffer, at: number): Promise<number> {
  for (let done = 0; done < octets.length; )
    done += (await file.write(octets, done, octets.length - done, at + done)).bytesWritten;
  return octets.length;
}

/** What was made or renamed in there is on disk when it resolves. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
