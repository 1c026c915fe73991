/** A log written as a whole: beside its place first, and in its place once all of it is on disk. */
import { constants } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import type { Change } from "../../model/types.ts";
import { writeFirst, writeLine } from "./log-text.ts";

/** Changes on one line: the line is one string. */
const ON_A_LINE = 1_000;

export interface Written {
  readonly file: FileHandle;
  /** Octets in it. */
  readonly length: number;
}

/** That it is in its place is not on disk yet: `syncFolder`. `inPlace` is what brings it there. */
export async function writeWhole(
  path: string,
  changes: readonly Change[],
  revision: number,
  inPlace: (beside: string, path: string) => Promise<void> = rename,
): Promise<Written> {
  const { O_RDWR, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
  const file = await open(beside(path), O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
  try {
    const lines = Math.max(Math.ceil(changes.length / ON_A_LINE), revision > 0 ? 1 : 0); // without objects, it says the revision
    let length = await writeAt(file, Buffer.from(writeFirst(lines)), 0);
    for (let i = 0; i < lines; i++) {
      const entry = { changes: changes.slice(i * ON_A_LINE, (i + 1) * ON_A_LINE), revision };
      length += await writeAt(file, Buffer.from(writeLine(entry)), length);
    }
    await file.datasync();
    await inPlace(beside(path), path);
    return { file, length };
  } catch (error) {
    await file.close();
    await rm(beside(path), { force: true }).catch(() => {});
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
