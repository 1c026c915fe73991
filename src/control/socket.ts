/**
 * A unix socket at a path that is this process's alone: what a dead one left there is replaced, and nobody can connect before owner and
 * mode are what they shall be.
 */
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import type { Server } from "node:http";
import { dirname, join } from "node:path";
import type { Notice } from "../model/notice.ts";
import { libcProblem } from "../os/libc.ts";
import { type Lock, LockHeld, takeLock } from "../os/lock.ts";

export interface SocketOptions {
  readonly path: string;
  /** Default 0o600; with a group 0o660. */
  readonly mode?: number | undefined;
  /** Name or number. Default: this process's. */
  readonly group?: string | number | undefined;
}

/** struct sockaddr_un has room for so many octets (unix(7)). */
const LONGEST = 107;

/** Resolves when the server can be connected to; what it resolves to takes the socket away. Throws an Error that says what to do. */
export async function listenAt(server: Server, options: SocketOptions, notice: Notice): Promise<() => void> {
  const { path, group, mode = group === undefined ? 0o600 : 0o660 } = options;
  const gid = group === undefined ? undefined : groupId(group);
  const folder = dirname(path);
  makeFolder(folder);
  const lock = lockFor(path, notice);
  try {
    checkPlace(path);
    const own = mkdtempSync(join(folder, ".new-")); // of this user alone: whoever can't enter it can't connect
    try {
      const made = join(own, "s");
      if (Buffer.byteLength(made) > LONGEST)
        throw new Error(
          `the path of the control socket is too long: ${path} may have ${LONGEST - made.length + path.length} octets`,
        );
      await listening(server, made);
      chmodSync(made, mode);
      if (gid !== undefined) chownSync(made, process.geteuid?.() ?? 0, gid);
      renameSync(made, path);
    } finally {
      rmSync(own, { recursive: true, force: true });
    }
  } catch (error) {
    server.close();
    lock?.release();
    throw error;
  }
  return () => {
    rmSync(path, { force: true });
    lock?.release();
  };
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o755 });
    chmodSync(folder, 0o755); // whatever the umask
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && statSync(folder).isDirectory()) return;
    throw new Error(`the directory of the control socket, ${folder}, can't be made: ${code}`);
  }
}

function lockFor(path: string, notice: Notice): Lock | undefined {
  const problem = libcProblem();
  if (problem !== undefined) {
    notice(`${problem}: another agent with the socket ${path} would not be noticed`);
    return undefined;
  }
  try {
    return takeLock(`${path}.lock`);
  } catch (error) {
    if (!(error instanceof LockHeld)) throw error;
    const who = error.pid === undefined ? "" : `, process ${error.pid}`;
    throw new Error(`eleven agent runs already${who}: it has the socket ${path}`);
  }
}

/** Only a socket is replaced. */
function checkPlace(path: string): void {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there !== undefined && !there.isSocket())
    throw new Error(`${path} is there and no socket: remove it, or have the control socket elsewhere`);
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** As /etc/group has it. */
function groupId(group: string | number): number {
  if (typeof group === "number" || /^\d+$/.test(group)) return Number(group);
  const line = readFileSync("/etc/group", "utf8")
    .split("\n")
    .find((l) => l.startsWith(`${group}:`));
  const id = line?.split(":")[2];
  if (id === undefined)
    throw new Error(`there is no group "${group}" for the control socket; make it: groupadd --system ${group}`);
  return Number(id);
}
