/** One demo at a time: a second one would take the first one's namespaces for remains of an earlier run, and remove them. */
import { type Lock, LockHeld, takeLock } from "../os/lock.ts";

/** In the same place as the namespaces: who shares those shares this. */
const PATH = "/run/eleven-demo.lock";

/** Keeps others out until it is released. Throws an Error that says who is here already. */
export function beTheOnlyOne(path = PATH): Lock {
  try {
    return takeLock(path);
  } catch (error) {
    if (!(error instanceof LockHeld)) throw error;
    const who = error.pid === undefined ? "" : ` (process ${error.pid})`;
    throw new Error(`a demo is running on this machine${who}; there can be one at a time: end that first`);
  }
}
