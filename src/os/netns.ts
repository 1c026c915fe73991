/** Work inside another network namespace. setns(2) moves the calling thread only, so the work must be synchronous. */

import { closeSync, constants, openSync, statfsSync } from "node:fs";
import { OsError, osError } from "./error.ts";
import { checked, libc } from "./libc.ts";
import { O_PATH } from "./openat.ts";

export const CLONE_NEWNET = 0x40000000;
/** Where namespaces are files: linux/magic.h. */
const NSFS = 0x6e736673;
const EINVAL = 22;

/**
 * Runs `work` with this thread in the namespace at `path` (missing: where the thread is, at no cost) and comes back whatever
 * happens: sockets that it opens, and processes that it spawns, are in there. Node's own `listen` and `bind` are not: they run
 * later. Costs about 15 us. Throws an OsError if the namespace is not there or can't be entered.
 */
export function inNetns<T>(path: string | undefined, work: () => T): T {
  if (path === undefined) return work();
  const there = openNamespace(path);
  try {
    return away(() => checked(libc().setns(there, CLONE_NEWNET), "setns", path), work);
  } finally {
    closeSync(there);
  }
}

/** Runs `work` where `leave` has brought this thread, and comes back whatever happens. */
export function away<T>(leave: () => unknown, work: () => T): T {
  homeNamespace();
  leave();
  try {
    return work();
  } finally {
    comeHome();
  }
}

let home: number | undefined;

/** The namespace this thread started in, as a descriptor. */
export const withHome = <T>(work: (fd: number) => T): T => work(homeNamespace());

/** Opened before it is first left. */
function homeNamespace(): number {
  home ??= openSync("/proc/thread-self/ns/net", "r");
  return home;
}

/**
 * A descriptor of the namespace at `path`, the caller's to close: it keeps the namespace alive. Throws an OsError.
 *
 * The path may be in somebody's reach, and lead to anything: it is opened only once it is seen to lead to a namespace. To open a
 * FIFO would wait for a writer, to open a device can do whatever its driver likes.
 */
export function openNamespace(path: string): number {
  homeNamespace();
  let seen: number | undefined;
  try {
    seen = openSync(path, O_PATH);
    const same = `/proc/thread-self/fd/${seen}`;
    if (statfsSync(same).type !== NSFS) throw new OsError("open namespace", EINVAL, path);
    return openSync(same, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (error instanceof OsError) throw error;
    throw osError("open namespace", error, path);
  } finally {
    if (seen !== undefined) closeSync(seen);
  }
}

/** A thread that can't come home must not go on: whatever it opened next would be in the wrong place. */
function comeHome(): void {
  if (libc().setns(homeNamespace(), CLONE_NEWNET) < 0) {
    console.error("eleven: this thread can't leave a network namespace again");
    process.abort();
  }
}
