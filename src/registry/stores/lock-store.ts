/** One process at a time may have a store in a directory open; the directory is made if it is not there. */
import type { Notice } from "../../model/notice.ts";
import { libcProblem } from "../../os/libc.ts";
import { type Lock, LockHeld } from "../../os/lock.ts";
import { StateDir } from "../../os/state-dir.ts";
import { LOCK } from "./place.ts";
import { StoreError } from "./store.ts";

/** Throws a StoreError, "held" if another has it. Undefined: nothing can be locked here, which is told. */
export function lockStore(path: string, notice: Notice): Lock | undefined {
  const directory = new StateDir(path);
  const problem = libcProblem();
  try {
    if (problem === undefined) return directory.lock(LOCK);
    directory.names(""); // makes it
  } catch (error) {
    const { message } = error as Error;
    if (!(error instanceof LockHeld)) throw new StoreError("failed", "open", message, error);
    const who = error.pid === undefined ? "another process" : `process ${error.pid}`;
    throw new StoreError("held", "open", `the store in ${path} is open in ${who}; there can be one at a time`);
  }
  notice(`${problem}: another process that opens the store in ${path} would not be noticed`);
  return undefined;
}
