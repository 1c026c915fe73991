/** Work in a target's namespace, and what its failures mean: the one place where the system's errors become LbErrors. */
import { OsError } from "../../../os/error.ts";
import { inNetns } from "../../../os/netns.ts";
import type { LbTarget } from "../../state.ts";
import { LbError } from "../backend.ts";

/** Synchronous work in the target's namespace. `what` says in a word or two what the work is about. */
export function inside<T>(target: LbTarget, what: string, work: () => T): T {
  try {
    return inNetns(target.netns, work);
  } catch (error) {
    throw lbError(target, what, error);
  }
}

/** What the system said about `what`, as an LbError. One that is an LbError already stays as it is. */
export function lbError(target: LbTarget, what: string, error: unknown): LbError {
  if (error instanceof LbError) return error;
  if (isNamespaceGone(error)) return new LbError("gone", target, `its network namespace ${target.netns} is gone`);
  const { code = "", message = String(error) } = error as { code?: string; message?: string };
  if (DENIED.has(code)) return new LbError("denied", target, `${what}: ${message} (needs CAP_NET_ADMIN)`);
  return new LbError(code === "ENOENT" ? "missing" : "failed", target, `${what}: ${message}`);
}

const DENIED = new Set(["EPERM", "EACCES", "EROFS"]);

/** There is nothing at the namespace's path, or no namespace any more (EINVAL: what is left is an ordinary file). */
const isNamespaceGone = (error: unknown): boolean =>
  error instanceof OsError && GONE_OPS.has(error.op) && (error.code === "ENOENT" || error.code === "EINVAL");

/** Of os/netns.ts: what it does to enter one. */
const GONE_OPS = new Set(["open namespace", "setns"]);
