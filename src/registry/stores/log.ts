/**
 * A log of changes in a file: on disk when `append` resolves, as before when it rejects. It is replaced as a whole, by renaming, when it
 * has outgrown what it says, or when a failure left it in doubt what is in it.
 */
import { constants } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Change } from "../../model/types.ts";
import { type Entry, writeLine } from "./log-text.ts";
import { type LogRead, readLog } from "./read-log.ts";
import { failure, StoreError } from "./store.ts";
import { beside, syncFolder, writeAt, writeWhole } from "./write-log.ts";

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

async function openThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
