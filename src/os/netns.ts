/** Work inside another network namespace. setns(2) moves the calling thread only, so the work must be synchronous. */
import { closeSync, openSync } from "node:fs";
import { OsError } from "./error.ts";
import { checked, libc } from "./libc.ts";

const CLONE_NEWNET = 0x40000000;

/**
 * Runs `work` with this thread in the namespace at `path` and comes back whatever happens: sockets that it opens, and
 * processes that it spawns, are in there. Node's own `listen` and `bind` are not: they run later. Costs about 5 us.
 * Throws an OsError if the namespace is not there or can't be entered.
 */
export function inNetns<T>(path: string, work: () => T): T {
  const { setns } = libc();
  const there = openNamespace(path);
  try {
    checked(setns(there, CLONE_NEWNET), "setns", path);
    try {
      return work();
    } finally {
      comeHome();
    }
  } finally {
    closeSync(there);
  }
}

let home: number | undefined;

/** The namespace this thread started in; opened before it is first left. */
function homeNamespace(): number {
  home ??= openSync("/proc/thread-self/ns/net", "r");
  return home;
}

function openNamespace(path: string): number {
  homeNamespace();
  try {
    return openSync(path, "r");
  } catch (error) {
    throw new OsError("open namespace", Math.abs((error as { errno?: number }).errno ?? 0), path);
  }
}

/** A thread that can't come home must not go on: whatever it opened next would be in the wrong place. */
function comeHome(): void {
  if (libc().setns(homeNamespace(), CLONE_NEWNET) < 0) {
    console.error("eleven: this thread can't leave a network namespace again");
    process.abort();
  }
}
