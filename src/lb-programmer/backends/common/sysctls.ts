/** Kernel settings under /proc/sys, of a target's namespace. */
import { readFileSync, writeFileSync } from "node:fs";
import type { LbTarget } from "../../state.ts";
import { inside } from "./failure.ts";

/** Values of `keys` ("net/ipv4/ip_forward"); a key that the kernel does not have is left out. */
export function readSysctls(target: LbTarget, keys: readonly string[]): Record<string, string> {
  const values: Record<string, string> = {};
  if (keys.length === 0) return values;
  inside(target, "sysctls", () => {
    for (const key of keys) {
      try {
        values[key] = readFileSync(fileOf(key), "latin1").trim().replaceAll(/\s+/g, " ");
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
    }
  });
  return values;
}

/** Sets values. Throws an LbError for the first that can't be set. */
export function writeSysctls(target: LbTarget, values: ReadonlyMap<string, string>): void {
  for (const [key, value] of values)
    inside(target, `sysctl ${key} can't be set`, () => writeFileSync(fileOf(key), value));
}

const fileOf = (key: string): string => `/proc/sys/${key}`;
