/**
 * Network namespaces that have a name: files that one is mounted on, which keep it alive until they are removed. The same files as
 * `ip netns` makes, lists and removes.
 */
import { closeSync, constants, existsSync, mkdirSync, openSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { OsError, osError } from "./error.ts";
import { checked, libc } from "./libc.ts";
import { away, CLONE_NEWNET } from "./netns.ts";

const MS = { bind: 0x1000, recursive: 0x4000, shared: 0x10_0000 };
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;
const LOCK_EX = 2;
const [ENOENT, EINVAL] = [2, 22] as const;

/** A new one, with nothing in it but `lo`, which is down. Throws an OsError: EEXIST if something has the path. */
export function makeNetns(path: string): void {
  share(dirname(path));
  try {
    closeSync(openSync(path, constants.O_CREAT | constants.O_EXCL, 0));
  } catch (error) {
    throw osError("make namespace", error, path);
  }
  try {
    away(
      () => checked(libc().unshare(CLONE_NEWNET), "unshare", path),
      () => mount("/proc/thread-self/ns/net", path, MS.bind),
    );
  } catch (error) {
    unlinkSync(path);
    throw error;
  }
}

/** It lives on for as long as somebody is in there, but has no name any more. False: there was none. Throws an OsError. */
export function removeNetns(path: string): boolean {
  const errno = libc().umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 ? libc().koffi.errno() : 0;
  if (errno === ENOENT) return false;
  if (errno !== 0 && errno !== EINVAL) throw new OsError("umount", errno, path); // EINVAL: whoever made it was ended half way
  try {
    unlinkSync(path);
  } catch (error) {
    throw osError("remove namespace", error, path);
  }
  return true;
}

/**
 * Makes the folder, and what is mounted in it common to all mount namespaces that have it, as `ip` does: else one that was removed would
 * live on in a copy, for as long as some service runs that has mounts of its own. One process at a time, or each would mount it anew.
 */
function share(folder: string): void {
  const held = heldFolder(folder);
  try {
    checked(libc().flock(held, LOCK_EX), "flock", folder);
    try {
      mount("", folder, MS.shared | MS.recursive);
    } catch (error) {
      if ((error as OsError).errno !== EINVAL) throw error; // nothing is mounted on it yet
      mount(folder, folder, MS.bind | MS.recursive);
      mount("", folder, MS.shared | MS.recursive);
    }
  } finally {
    closeSync(held);
  }
}

/** It is made if it is missing, but nothing that leads to it. */
function heldFolder(path: string): number {
  try {
    if (!existsSync(path)) mkdirSync(path, 0o755);
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    throw osError("make namespace", error, path);
  }
}

const mount = (from: string, to: string, flags: number): number =>
  checked(libc().mount(from, to, "none", flags, null), "mount", to);
