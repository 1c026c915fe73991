/** Says that something was mounted or unmounted where this process can see it, without reading the list of mounts. proc_pid_mounts(5). */
import { closeSync, openSync } from "node:fs";
import { EPOLLPRI, Poll } from "./poll.ts";

export class Mounts {
  readonly #fd: number;
  readonly #poll: Poll;

  /** Throws where there is no /proc, or no koffi. */
  constructor() {
    this.#poll = new Poll(1);
    try {
      this.#fd = openSync("/proc/self/mountinfo", "r");
    } catch (error) {
      this.#poll.close();
      throw error;
    }
    this.#poll.add(this.#fd, EPOLLPRI);
  }

  /** Since it was last asked, or made. */
  changed(): boolean {
    return this.#poll.wait(0) > 0;
  }

  close(): void {
    this.#poll.close();
    closeSync(this.#fd);
  }
}
