/**
 * Files below a directory that is held open. No link is followed on the way, whoever makes one and whenever, and nothing beyond the
 * directory is reached: openat2(2), Linux 5.6.
 *
 *   open_how   flags 8 | mode 8 | resolve 8
 */
import { constants, openSync } from "node:fs";
import { osError } from "./error.ts";
import { checked, libc } from "./libc.ts";

const SYS_OPENAT2 = 437;
const OPEN_HOW = 24;
const RESOLVE = { noXdev: 1, noMagiclinks: 2, noSymlinks: 4, beneath: 8 } as const;
const STAY = RESOLVE.beneath | RESOLVE.noSymlinks | RESOLVE.noMagiclinks;
const O_CLOEXEC = 0x80000;
const EXDEV = 18;

/** Names a file without opening it: a FIFO is not waited for, a device's driver hears nothing. fstat(2) works. */
export const O_PATH = 0x200000;

/** A directory that is to be trusted: links on the way to it are followed. */
export function holdFolder(path: string): number {
  try {
    return openSync(path, O_PATH | constants.O_DIRECTORY);
  } catch (error) {
    throw osError("open", error, path);
  }
}

/** Throws an OsError: ELOOP for a link anywhere, EXDEV for a way out, ENOSYS where the kernel has no openat2. */
export function openBeneath(folder: number, path: string, flags: number, { mode = 0 } = {}): number {
  return checked(open(folder, path, flags, mode, STAY), "openat2", path);
}

/** Something is mounted on this very name. */
export function isMountPoint(folder: number, name: string): boolean {
  const fd = open(folder, name, O_PATH, 0, STAY | RESOLVE.noXdev);
  if (fd < 0) return libc().koffi.errno() === EXDEV;
  libc().close(fd);
  return false;
}

/** Opens what a descriptor leads to, and nothing else, whatever its name has become since. */
export function reopen(fd: number, flags: number): number {
  try {
    return openSync(`/proc/thread-self/fd/${fd}`, flags | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    throw osError("open", error);
  }
}

/** Within one directory: what had the name before is replaced, never followed. */
export function renameWithin(folder: number, from: string, to: string): void {
  checked(libc().renameat(folder, from, folder, to), "rename", to);
}

export function removeWithin(folder: number, name: string): void {
  checked(libc().unlinkat(folder, name, 0), "unlink", name);
}

function open(folder: number, path: string, flags: number, mode: number, resolve: number): number {
  const how = Buffer.alloc(OPEN_HOW);
  how.writeBigUInt64LE(BigInt(flags | O_CLOEXEC), 0);
  how.writeBigUInt64LE(BigInt(mode), 8);
  how.writeBigUInt64LE(BigInt(resolve), 16);
  return libc().openat2(SYS_OPENAT2, folder, path, how, how.length);
}
