/** Which descriptors a thread has opened, in memory that outlives it: they belong to the process, and a dead thread closes none. */
import { readFileSync } from "node:fs";
import type { Poll } from "./poll.ts";
import { closeFd } from "./socket.ts";

/** Numbers below this are kept track of. The kernel gives the lowest free one, and nobody has a million descriptors open. */
const MOST = 1 << 20;

export class Descriptors {
  readonly shared: SharedArrayBuffer;
  readonly #mine: Uint8Array;

  /** `shared`: as another thread has it. */
  constructor(shared = new SharedArrayBuffer(MOST)) {
    this.shared = shared;
    this.#mine = new Uint8Array(shared);
  }

  /** This one is the thread's from here on. */
  own(fd: number): void {
    this.#mine[fd] = 1;
  }

  /** It is the thread's, and in its epoll set; if it can't be watched it is closed, and this throws an OsError. */
  adopt(fd: number, poll: Poll): void {
    this.own(fd);
    try {
      poll.add(fd);
    } catch (error) {
      this.close(fd);
      throw error;
    }
  }

  close(fd: number): void {
    this.#mine[fd] = 0; // first: once it is closed, the number may be somebody else's
    closeFd(fd);
  }

  /** To be called once the thread is dead. */
  closeAll(): void {
    for (let fd = this.#mine.indexOf(1); fd >= 0; fd = this.#mine.indexOf(1, fd)) this.close(fd);
  }
}

/** How many descriptors this process may have open (RLIMIT_NOFILE), or Infinity where nobody says. */
export function descriptorLimit(): number {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    return Number.POSITIVE_INFINITY; // no /proc
  }
}
