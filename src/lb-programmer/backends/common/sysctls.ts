/** Kernel settings under /proc/sys, of a target's namespace. */
import { closeSync, openSync, readSync, writeFileSync } from "node:fs";
import type { LbTarget } from "../../state.ts";
import { inside, lbError } from "./failure.ts";

/** Values of `keys` ("net/ipv4/ip_forward"); a key that the kernel does not have is left out. */
export function readSysctls(target: LbTarget, keys: readonly string[]): Record<string, string> {
  const values: Record<string, string> = {};
  if (keys.length === 0) return values;
  inside(target, "sysctls", () => {
    for (const key of keys) {
      const fd = openSysctl(key);
      if (fd === undefined) continue;
      try {
        values[key] = readSysctl(fd);
      } finally {
        closeSync(fd);
      }
    }
  });
  return values;
}

/** Sets values. Throws an LbError for the first that can't be set. */
export function writeSysctls(target: LbTarget, values: ReadonlyMap<string, string>): void {
  if (values.size === 0) return;
  inside(target, "sysctls", () => {
    for (const [key, value] of values)
      try {
        writeFileSync(fileOf(key), value);
      } catch (error) {
        throw lbError(target, `sysctl ${key} can't be set`, error);
      }
  });
}

/** A descriptor of this thread's namespace's setting; undefined if the kernel does not have it. */
export function openSysctl(key: string): number | undefined {
  try {
    return openSync(fileOf(key), "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** The value now, wherever this thread is. Throws ENOENT if it is gone, with its namespace say. */
export const readSysctl = (fd: number): string =>
  room
    .latin1Slice(0, readSync(fd, room, 0, room.length, 0))
    .trim()
    .replaceAll(/\s+/g, " ");

/** Far longer than any value is that we set. */
const room = Buffer.alloc(4_096);

const fileOf = (key: string): string => `/proc/sys/${key}`;
