/**
 * A file that a container may have its hands on, while we read it and while we replace it. It is touched only if it is a plain file
 * with one name, reached without a link; whatever else is in its place, and wherever that would lead, stays as it is.
 */
import { randomBytes } from "node:crypto";
import { closeSync, constants, fchmodSync, fchownSync, fstatSync, ftruncateSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { FileBeneath } from "../model/types.ts";
import { OsError } from "../os/error.ts";
import { holdFolder, isMountPoint, O_PATH, openBeneath, removeWithin, renameWithin, reopen } from "../os/openat.ts";

/** Each octet is a character (latin1), so that a file comes back as it was. */
export interface ForeignFile {
  /** Which directory it is in: another one once that was removed and made again. */
  readonly folder: string;
  /** Undefined if there is none. */
  read(): string | undefined;
  /** By renaming, so that a reader sees the old or the new; in place where that can't be: a file that is a mount point. */
  replace(octets: string): void;
  remove(): void;
}

/** Octets. No resolv.conf that means well comes near it. */
const LARGEST = 65_536;

/** Calls `work` with the file. Throws an Error that says why it may not be touched; `code` is the system's, if it was the system. */
export function withForeignFile<T>({ root, path }: FileBeneath, work: (file: ForeignFile) => T): T {
  const held: number[] = [];
  const hold = (fd: number) => held[held.push(fd) - 1]!;
  const slash = path.lastIndexOf("/");
  const name = path.slice(slash + 1);
  try {
    const top = hold(holdFolder(root));
    const folder = hold(openBeneath(top, path.slice(0, slash) || ".", O_PATH | constants.O_DIRECTORY));
    const { dev, ino, birthtimeNs } = fstatSync(folder, { bigint: true });
    return work({
      folder: `${dev}:${ino}:${birthtimeNs}`,
      read: () => withFound(folder, name, (found) => found && contents(found.fd)),
      replace: (octets) =>
        withFound(folder, name, (found) => replace(folder, name, found, Buffer.from(octets, "latin1"))),
      remove: () => removeWithin(folder, name),
    });
  } catch (error) {
    throw refusal(join(root, path), error);
  } finally {
    for (const fd of held) closeSync(fd);
  }
}

interface Inspected {
  /** Names the file (O_PATH), and goes on doing so whatever its name becomes. */
  readonly fd: number;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/** Calls `work` with the file, once it is seen to be harmless; with undefined if there is none. */
function withFound<T>(folder: number, name: string, work: (found: Inspected | undefined) => T): T {
  let fd: number;
  try {
    fd = openBeneath(folder, name, O_PATH);
  } catch (error) {
    if (error instanceof OsError && error.code === "ENOENT") return work(undefined);
    throw error;
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new Error("it is no regular file");
    if (stat.nlink > 1) throw new Error("it has other names, too (hard links)");
    if (stat.size > LARGEST) throw new Error(TOO_LARGE);
    return work({ fd, uid: stat.uid, gid: stat.gid, mode: stat.mode & 0o777 });
  } finally {
    closeSync(fd);
  }
}

const TOO_LARGE = `it is larger than ${LARGEST} octets`;

function contents(seen: number): string {
  const fd = reopen(seen, constants.O_RDONLY);
  try {
    const room = Buffer.alloc(LARGEST + 1);
    let length = 0;
    for (let n = -1; n !== 0 && length < room.length; length += n)
      n = readSync(fd, room, length, room.length - length, null);
    if (length > LARGEST) throw new Error(TOO_LARGE); // it has grown since its size was asked
    return room.toString("latin1", 0, length);
  } finally {
    closeSync(fd);
  }
}

function replace(folder: number, name: string, found: Inspected | undefined, octets: Buffer): void {
  if (found === undefined) renameOver(folder, name, found, octets);
  else if (isMountPoint(folder, name)) overwrite(found.fd, octets);
  else {
    try {
      renameOver(folder, name, found, octets);
    } catch (error) {
      if (!(error instanceof OsError) || !CLOSED.has(error.code)) throw error;
      overwrite(found.fd, octets);
    }
  }
}

/** The directory takes nothing new; the file may still be written to. */
const CLOSED: ReadonlySet<string> = new Set(["EBUSY", "EACCES", "EPERM", "EROFS"]);

function renameOver(folder: number, name: string, found: Inspected | undefined, octets: Buffer): void {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const beside = `.eleven-${randomBytes(8).toString("hex")}`;
  const fd = openBeneath(folder, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, { mode: 0o600 });
  try {
    try {
      writeAll(fd, octets);
      if (found !== undefined) keepOwner(fd, found);
      fchmodSync(fd, found?.mode ?? 0o644);
    } finally {
      closeSync(fd);
    }
    renameWithin(folder, beside, name);
  } catch (error) {
    try {
      removeWithin(folder, beside);
    } catch {} // it is not there any more: it was in somebody else's reach
    throw error;
  }
}

function keepOwner(fd: number, { uid, gid }: Inspected): void {
  try {
    fchownSync(fd, uid, gid);
  } catch {} // for want of CAP_CHOWN it is ours
}

function overwrite(seen: number, octets: Buffer): void {
  const fd = reopen(seen, constants.O_WRONLY);
  try {
    writeAll(fd, octets);
    ftruncateSync(fd, octets.length);
  } finally {
    closeSync(fd);
  }
}

function writeAll(fd: number, octets: Buffer): void {
  for (let at = 0; at < octets.length; ) at += writeSync(fd, octets, at, octets.length - at, at);
}

const WHY: Readonly<Record<string, string>> = {
  ELOOP: "there is a symbolic link on the way",
  EXDEV: "it leads out of its root",
  ENOTDIR: "something on the way is no directory",
  ENOENT: "its directory is not there",
  ENOSYS: "the kernel has no openat2 (Linux 5.6 has it), without which links can't be ruled out",
};

function refusal(path: string, error: unknown): Error {
  const { code, message } = error as NodeJS.ErrnoException;
  const why = (code !== undefined && WHY[code]) || message;
  return Object.assign(new Error(`${path} is left alone: ${why}`, { cause: error }), code !== undefined && { code });
}
