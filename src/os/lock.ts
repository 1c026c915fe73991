/**
 * One owner at a time, by flock(2): the kernel takes a lock back when its process ends, however it ends, so nobody ever has to find out
 * whether an owner is still alive. Nothing here waits.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { OsError, osError } from "./error.ts";
import { libc } from "./libc.ts";

export interface Lock {
  /** The next one may have it. Twice is fine. */
  release(): void;
}

/** Somebody else has the lock. */
export class LockHeld extends Error {
  /** The owner's process id, if it could be read. */
  readonly pid: number | undefined;

  constructor(path: string, pid: number | undefined) {
    super(`${path} is locked by ${pid === undefined ? "another process" : `process ${pid}`}`);
    this.name = "LockHeld";
    this.pid = pid;
  }
}

const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
const LOCK_EX = 2;
const LOCK_NB = 4;
const EWOULDBLOCK = 11;

/**
 * Takes the lock that the file at `path` stands for; the file is made, and removed again in the end. Throws LockHeld if somebody has
 * it (this process by another call, too), else an OsError.
 */
export function takeLock(path: string): Lock {
  for (;;) {
    const fd = open(path);
    let ours = false;
    try {
      lockNow(fd, path);
      if (!isStillAt(path, fd)) continue; // its last owner removed it between our two calls: what we locked is nobody's any more
      sign(fd);
      ours = true;
    } finally {
      if (!ours) closeSync(fd);
    }
    return heldAt(path, fd);
  }
}

function open(path: string): number {
  try {
    return openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
  } catch (error) {
    throw osError("open", error, path);
  }
}

function lockNow(fd: number, path: string): void {
  const { flock, koffi } = libc();
  if (flock(fd, LOCK_EX | LOCK_NB) === 0) return;
  const errno = koffi.errno();
  throw errno === EWOULDBLOCK ? new LockHeld(path, ownerIn(fd)) : new OsError("flock", errno, path);
}

/** Says whose it is, for messages. A full disk is no reason not to have it. */
function sign(fd: number): void {
  try {
    ftruncateSync(fd);
    writeSync(fd, String(process.pid), 0);
  } catch {}
}

function ownerIn(fd: number): number | undefined {
  const room = Buffer.alloc(16);
  const text = room.toString("latin1", 0, readSync(fd, room, 0, room.length, 0));
  return /^\d+$/.test(text) ? Number(text) : undefined; // empty: the owner has not come to writing it
}

function isStillAt(path: string, fd: number): boolean {
  const there = statSync(path, { bigint: true, throwIfNoEntry: false });
  const ours = fstatSync(fd, { bigint: true });
  return there !== undefined && there.ino === ours.ino && there.dev === ours.dev;
}

/** The file goes before the lock does: whoever opens the path from then on makes a new one. */
function heldAt(path: string, fd: number): Lock {
  let held = true;
  return {
    release() {
      if (!held) return;
      held = false;
      try {
        if (isStillAt(path, fd)) rmSync(path); // else it was removed, and may be the next one's
      } catch {} // the directory is read-only now: the lock goes all the same
      closeSync(fd);
    },
  };
}
