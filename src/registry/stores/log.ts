/**
 * A log of changes in a file: on disk when `append` resolves, as before when it rejects. It is replaced as a whole, by renaming, when it
 * has outgrown what it says, or when a failure left it in doubt what is in it.
 */
import { constants } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Change } from "../../model/types.ts";
import { type Entry, writeFirst, writeLine } from "./log-text.ts";
import { type LogRead, readLog } from "./read-log.ts";
import { StoreError } from "./store.ts";

/** Changes on one line of a log that is written anew: the line is one string. */
const ON_A_LINE = 1_000;

export class Log {
  readonly #path: string;
  #file: FileHandle;
  /** Octets that are known to be on disk. */
  #length: number;
  #entries: number;
  #revision: number;
  #doubtful: boolean;

  private constructor(path: string, file: FileHandle, { version, length, entries, revision }: LogRead) {
    this.#path = path;
    this.#file = file;
    this.#length = length;
    this.#entries = entries;
    this.#revision = revision;
    this.#doubtful = version === 1; // lines of ours don't go into a file of that
  }

  /**
   * The log at this path, a new one if there is none; `take` is given everything in it, in order. What a crash left half written at its
   * end, and what was therefore acknowledged to nobody, is dropped and said. Throws a StoreError.
   */
  static async open(path: string, take: (entry: Entry) => void, say: (problem: string) => void): Promise<Log> {
    try {
      await rm(beside(path), { force: true });
      const file = (await openThere(path)) ?? (await writeWhole(path, [], 0)).file;
      try {
        const read = await readLog(path, file, take);
        if (read.torn > 0) {
          say(`${path}: the last ${read.torn} octets were being written when the process ended; they are dropped`);
          await file.truncate(read.length);
        }
        // A process that was killed may have left both to be written by the kernel, some time: the last line, and the file's name.
        await file.datasync();
        await syncFolder(dirname(path));
        return new Log(path, file, read);
      } catch (error) {
        await file.close();
        throw error;
      }
    } catch (error) {
      throw error instanceof StoreError ? error : failure("open", path, error);
    }
  }

  /** How many changes it holds, however many of them are of the same object. */
  get entries(): number {
    return this.#entries;
  }

  /** What the last of them led to. */
  get revision(): number {
    return this.#revision;
  }

  /** It must be replaced before anything can be added: a failure left it in doubt what is on disk, or an earlier release wrote it. */
  get doubtful(): boolean {
    return this.#doubtful;
  }

  async append(entry: Entry): Promise<void> {
    const octets = Buffer.from(writeLine(entry));
    try {
      await writeAt(this.#file, octets, this.#length);
      await this.#file.datasync();
    } catch (error) {
      await this.#takeBack((error as NodeJS.ErrnoException).syscall !== "write");
      throw failure("write", this.#path, error);
    }
    this.#length += octets.length;
    this.#entries += entry.changes.length;
    this.#revision = entry.revision;
  }

  /**
   * It says just this from now on, and nothing is in doubt any more. Rejected: it is as it was, or it is in doubt which of the two a
   * crash would leave.
   */
  async replace(changes: readonly Change[]): Promise<void> {
    try {
      const { file, length } = await writeWhole(this.#path, changes, this.#revision);
      const before = this.#file;
      this.#file = file; // the old one has no name any more: what is written to it would be lost
      this.#length = length;
      this.#entries = changes.length;
      this.#doubtful = true;
      await before.close().catch(() => {}); // nothing of it is needed any more
      await syncFolder(dirname(this.#path));
      this.#doubtful = false;
    } catch (error) {
      throw failure("write", this.#path, error);
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** Linux forgets what it could not write: after a failed fsync, what is read is not what is on disk (fsync(2), NOTES). */
  async #takeBack(unsynced: boolean): Promise<void> {
    this.#doubtful = unsynced;
    try {
      await this.#file.truncate(this.#length);
    } catch {
      this.#doubtful = true;
    }
  }
}

const beside = (path: string): string => `${path}.new`;

async function openThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Beside the path first, and in its place once all of it is on disk. That it is in its place is not on disk yet: `syncFolder`. */
async function writeWhole(path: string, changes: readonly Change[], revision: number) {
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
    await rename(beside(path), path);
    return { file, length };
  } catch (error) {
    await file.close();
    await rm(beside(path), { force: true }).catch(() => {});
    throw error;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** How much was written: all of it. */
async function writeAt(file: FileHandle, octets: Buffer, at: number): Promise<number> {
  for (let done = 0; done < octets.length; )
    done += (await file.write(octets, done, octets.length - done, at + done)).bytesWritten;
  return octets.length;
}

const failure = (op: "open" | "write", path: string, error: unknown): StoreError =>
  new StoreError("failed", op, `${path} can't be ${op === "open" ? "opened" : "written"}: ${reason(error)}`, error);

const reason = (error: unknown): string =>
  (error as NodeJS.ErrnoException).code ?? (error instanceof Error ? error.message : String(error));
