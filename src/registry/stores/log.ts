/**
 * A log of changes in a file: on disk when `append` resolves, as before when it rejects. It is replaced as a whole, by renaming, when it
 * has outgrown what it says, or when a failure left it in doubt what is in it.
 */
import { constants } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Change } from "../../model/types.ts";
import { FIRST_LINE, firstLineProblem, parseLine, writeLine } from "./log-text.ts";
import { StoreError } from "./store.ts";

/** Changes on one line of a log that is written anew: the line is one string. */
const ON_A_LINE = 1_000;

export class Log {
  readonly #path: string;
  #file: FileHandle;
  /** Octets that are known to be on disk. */
  #length: number;
  #entries: number;
  #doubtful = false;

  private constructor(path: string, file: FileHandle, length: number, entries: number) {
    this.#path = path;
    this.#file = file;
    this.#length = length;
    this.#entries = entries;
  }

  /**
   * The log at this path, a new one if there is none; `take` is given everything in it, in order. What a crash left half written at its
   * end, and what was therefore acknowledged to nobody, is dropped and said. Throws a StoreError.
   */
  static async open(
    path: string,
    take: (changes: readonly Change[]) => void,
    say: (problem: string) => void,
  ): Promise<Log> {
    try {
      await rm(beside(path), { force: true });
      const file = (await openThere(path)) ?? (await writeNew(path));
      try {
        const { length, entries, torn } = await readAll(path, file, take);
        if (torn > 0) {
          say(`${path}: the last ${torn} octets were being written when the process ended; they are dropped`);
          await file.truncate(length);
          await file.datasync();
        }
        return new Log(path, file, length, entries);
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

  /** A failure left it in doubt what is on disk: it must be replaced before anything can be added. */
  get doubtful(): boolean {
    return this.#doubtful;
  }

  async append(changes: readonly Change[]): Promise<void> {
    const octets = Buffer.from(writeLine(changes));
    try {
      await writeAt(this.#file, octets, this.#length);
      await this.#file.datasync();
    } catch (error) {
      await this.#takeBack((error as NodeJS.ErrnoException).syscall !== "write");
      throw failure("write", this.#path, error);
    }
    this.#length += octets.length;
    this.#entries += changes.length;
  }

  /** It says just this from now on, and nothing is in doubt any more. Rejected: it says what it did. */
  async replace(changes: readonly Change[]): Promise<void> {
    try {
      const { file, length, doubt } = await writeWhole(this.#path, changes);
      const before = this.#file;
      this.#file = file;
      this.#length = length;
      this.#entries = changes.length;
      this.#doubtful = doubt !== undefined;
      await before.close().catch(() => {}); // nothing of it is needed any more
      if (doubt !== undefined) throw doubt;
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

async function writeNew(path: string): Promise<FileHandle> {
  const { file, doubt } = await writeWhole(path, []);
  if (doubt === undefined) return file;
  await file.close();
  throw doubt;
}

interface Whole {
  readonly file: FileHandle;
  readonly length: number;
  /** It has the name, but why that may not be on disk. */
  readonly doubt: unknown;
}

/** Beside the path first, and in its place once all of it is on disk. Rejected: what had the name has it still. */
async function writeWhole(path: string, changes: readonly Change[]): Promise<Whole> {
  const { O_RDWR, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
  const file = await open(beside(path), O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
  try {
    let length = await writeAt(file, Buffer.from(FIRST_LINE), 0);
    for (let i = 0; i < changes.length; i += ON_A_LINE)
      length += await writeAt(file, Buffer.from(writeLine(changes.slice(i, i + ON_A_LINE))), length);
    await file.datasync();
    await rename(beside(path), path);
    const doubt = await syncFolder(dirname(path)).then(
      () => undefined,
      (error: unknown) => error,
    );
    return { file, length, doubt };
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

interface Read {
  /** Octets up to the end of the last whole line, and after it. */
  readonly length: number;
  readonly torn: number;
  readonly entries: number;
}

async function readAll(path: string, file: FileHandle, take: (changes: readonly Change[]) => void): Promise<Read> {
  let [number, length, entries, torn] = [0, 0, 0, 0];
  for await (const { octets, whole, last } of linesOf(file)) {
    number++;
    const line = octets.toString();
    const refuse = (code: "damaged" | "format", why: string) =>
      new StoreError(code, "open", `${path}, line ${number}: ${why}; the file is left as it is`);
    if (number === 1) {
      const problem = firstLineProblem(whole ? line : "");
      if (problem !== undefined) throw refuse(problem.code, problem.why);
    } else {
      const changes = whole ? parseLine(line) : undefined;
      if (changes === undefined && last && (!whole || octets.includes(0))) {
        torn = octets.length + (whole ? 1 : 0);
        break;
      }
      if (changes === undefined) throw refuse("damaged", "it is not what was written");
      take(changes);
      entries += changes.length;
    }
    length += octets.length + 1;
  }
  if (number === 0)
    throw new StoreError("damaged", "open", `${path} is empty, which a store never is; it is left as it is`);
  return { length, torn, entries };
}

interface Line {
  readonly octets: Buffer;
  /** It has its end. */
  readonly whole: boolean;
  /** None comes after it. */
  readonly last: boolean;
}

const AT_A_TIME = 1 << 20;

async function* linesOf(file: FileHandle): AsyncGenerator<Line> {
  let rest: Buffer[] = [];
  let ready: Buffer | undefined; // held back until it is known whether another one comes
  for (let at = 0; ; ) {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(AT_A_TIME), 0, AT_A_TIME, at);
    if (bytesRead === 0) break;
    at += bytesRead;
    let from = 0;
    for (let end = buffer.indexOf(10); end >= 0 && end < bytesRead; end = buffer.indexOf(10, from)) {
      if (ready !== undefined) yield { octets: ready, whole: true, last: false };
      ready = Buffer.concat([...rest, buffer.subarray(from, end)]);
      rest = [];
      from = end + 1;
    }
    if (from < bytesRead) rest.push(buffer.subarray(from, bytesRead));
  }
  if (ready !== undefined) yield { octets: ready, whole: true, last: rest.length === 0 };
  if (rest.length > 0) yield { octets: Buffer.concat(rest), whole: false, last: true };
}

const failure = (op: "open" | "write", path: string, error: unknown): StoreError =>
  new StoreError("failed", op, `${path} can't be ${op === "open" ? "opened" : "written"}: ${reason(error)}`, error);

const reason = (error: unknown): string =>
  (error as NodeJS.ErrnoException).code ?? (error instanceof Error ? error.message : String(error));
