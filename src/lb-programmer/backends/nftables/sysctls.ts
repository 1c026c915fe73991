/** Kernel settings under /proc/sys/net, which is the one of the namespace that this thread is in. */
import { readFileSync, writeFileSync } from "node:fs";
import type { LbTarget } from "../../state.ts";
import { LbError } from "../backend.ts";
import { within } from "./run.ts";

/** Values of `keys` ("net/ipv4/ip_forward"); a key that the kernel does not have is left out. */
export function readSysctls(target: LbTarget, keys: readonly string[]): Record<string, string> {
  const values: Record<string, string> = {};
  if (keys.length === 0) return values;
  within(target, () => {
    for (const key of keys) {
      try {
        values[key] = readFileSync(`/proc/sys/${key}`, "utf8").trim();
      } catch {}
    }
  });
  return values;
}

/** Sets values. Throws an LbError for the first that can't be set. */
export function writeSysctls(target: LbTarget, values: ReadonlyMap<string, string>): void {
  if (values.size === 0) return;
  within(target, () => {
    for (const [key, value] of values) setting(target, key, () => writeFileSync(`/proc/sys/${key}`, value));
  });
}

/** Work on one setting; what the file system says of it becomes an LbError. */
export function setting<T>(target: LbTarget, key: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const { code = "" } = error as { code?: string };
    const what = { ENOENT: "missing", EACCES: "denied", EPERM: "denied", EROFS: "denied" } as const;
    throw new LbError(what[code as keyof typeof what] ?? "failed", target, `sysctl ${key} can't be set: ${code}`);
  }
}
