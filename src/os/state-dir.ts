/**
 * What we remember over restarts: small JSON files in a directory that nobody but us can write to. Nothing that a container can
 * reach is ever believed to be ours, so whatever must be known again is here.
 */
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { type Lock, takeLock } from "./lock.ts";

/** As systemd has it (StateDirectory= sets the variable), else where Linux keeps such things (FHS 3.0, 5.8). */
export const defaultStateDir = (): string => process.env["STATE_DIRECTORY"]?.split(":")[0] || "/var/lib/eleven";

/** No file of ours comes near this; a larger one was not written by us. */
const LARGEST = 64 << 20;

export class StateDir {
  readonly path: string;
  #ready = false;

  /** Nothing is touched until something is read or written. */
  constructor(path = defaultStateDir()) {
    this.path = path;
  }

  /** What was written under this name; undefined if nothing was. Throws an Error that says what is wrong with directory or file. */
  read(name: string): unknown {
    this.#check();
    let fd: number;
    try {
      fd = openSync(this.#file(name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw this.#problem(`${name} can't be read: ${codeOf(error)}`);
    }
    try {
      const stat = fstatSync(fd);
      if (!stat.isFile() || stat.size > LARGEST) throw this.#problem(`${name} is no file of ours`);
      return JSON.parse(readFileSync(fd, "utf8"));
    } catch (error) {
      if (error instanceof SyntaxError) throw this.#problem(`${name} is damaged (${error.message}); remove it`);
      throw error;
    } finally {
      closeSync(fd);
    }
  }

  /** As `read`, for what can do without: what can't be read is said, set aside as "<name>.damaged", and taken for nothing. */
  recall(name: string, say: (problem: string) => void): unknown {
    try {
      return this.read(name);
    } catch (error) {
      say(`${error instanceof Error ? error.message : error}; going on without it`);
    }
    try {
      renameSync(this.#file(name), this.#file(`${name}.damaged`));
    } catch {} // the directory itself is what is wrong
    return undefined;
  }

  /**
   * Replaces what was there, whole or not at all, and on disk when this returns; unless `durable` is false: then it outlives this process,
   * and the machine only if it ends in good order. Throws as `read` does.
   */
  write(name: string, value: unknown, { durable = true }: { readonly durable?: boolean } = {}): void {
    this.#check();
    const beside = this.#file(`.${name}.${randomBytes(8).toString("hex")}`);
    try {
      const fd = openSync(
        beside,
        constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
        0o600,
      );
      try {
        writeFileSync(fd, JSON.stringify(value));
        if (durable) fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      renameSync(beside, this.#file(name));
      if (durable) syncFolder(this.path);
    } catch (error) {
      rmSync(beside, { force: true });
      throw this.#problem(`${name} can't be written: ${codeOf(error)}`);
    }
  }

  /** Forgets it; that it is not there is fine. */
  remove(name: string): void {
    this.#check();
    rmSync(this.#file(name), { force: true });
  }

  /** Makes this process the only owner of what the name stands for. Throws LockHeld if another is, else an Error that says what is wrong. */
  lock(name: string): Lock {
    this.#check();
    return takeLock(this.#file(name));
  }

  /** Names that begin like this. */
  names(prefix: string): string[] {
    this.#check();
    return readdirSync(this.path).filter((name) => name.startsWith(prefix) && NAME.test(name));
  }

  #file(name: string): string {
    return join(this.path, name);
  }

  /** Makes the directory if it is not there; refuses one that others could write to or have put in its place. */
  #check(): void {
    if (this.#ready && existsSync(this.path)) return;
    try {
      makeFolder(this.path);
      const stat = lstatSync(this.path);
      const owner = process.geteuid?.() ?? stat.uid;
      if (!stat.isDirectory() || stat.uid !== owner)
        throw this.#problem(`must be a directory of user ${owner}'s, not a link and not somebody else's`);
      if ((stat.mode & 0o077) !== 0) chmodSync(this.path, 0o700);
    } catch (error) {
      const code = codeOf(error);
      throw code === undefined ? error : this.#problem(`can't be made: ${code}`);
    }
    this.#ready = true;
  }

  #problem(what: string): Error {
    return new Error(`state directory ${this.path}: ${what}`);
  }
}

/** With all that lead to it, on disk. Not mkdir with `recursive`, which tries for ever where nothing can be made (Node 20, below /proc). */
function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const above = dirname(path);
    if (codeOf(error) === "EEXIST" && statSync(path).isDirectory()) return;
    if (codeOf(error) !== "ENOENT" || existsSync(above)) throw error;
    makeFolder(above);
    mkdirSync(path, { mode: 0o700 });
  }
  try {
    syncFolder(dirname(path));
  } catch (error) {
    if (codeOf(error) !== "EACCES") throw error; // one that we may change but not read can't be opened for this
  }
}

/** What was made or renamed in there is on disk when this returns. */
function syncFolder(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Ours, and not one that is just being written. */
const NAME = /^[a-z0-9][\w.-]*$/;

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;
