/**
 * Which mark each virtual server has, kept in the state directory, so that a restart changes nothing. Not believed from the kernel
 * state of a container's namespace, where the container could claim any.
 */

import type { StateDir } from "../../os/state-dir.ts";
import { Marks } from "../marks.ts";

const FILE = "marks";

/** Milliseconds from a change to the file: what changes until then goes with it. */
const SOON = 200;

/** Milliseconds until what could not be written is tried again: a disk is not full for ever. */
const LATER = 5_000;

export class KeptMarks {
  readonly #stateDir: StateDir | undefined;
  readonly #say: (problem: string) => void;
  readonly #marks = new Marks(() => this.#changed());
  #read = false;
  #timer: NodeJS.Timeout | undefined;

  /** Nothing is read or written until there is something to balance. `say` is told what is wrong with the file. */
  constructor(stateDir: StateDir | undefined, say: (problem: string) => void) {
    this.#stateDir = stateDir;
    this.#say = say;
  }

  get marks(): Marks {
    if (!this.#read) {
      this.#read = true;
      this.#marks.adopt(entries(this.#stateDir?.recall(FILE, this.#say)));
      this.#stop();
    }
    return this.#marks;
  }

  /** Writes what has changed. `cleared`: no namespace has any of them any more. */
  close({ cleared }: { readonly cleared: boolean }): void {
    const changed = this.#timer !== undefined;
    this.#stop();
    if (cleared && this.#read) this.#guarded(() => this.#stateDir?.remove(FILE));
    else if (changed) this.#write();
  }

  #changed(within = SOON): void {
    this.#timer ??= setTimeout(() => {
      if (!this.#write()) this.#changed(LATER);
    }, within).unref();
  }

  #write(): boolean {
    this.#stop();
    return this.#guarded(() => this.#stateDir?.write(FILE, Object.fromEntries(this.#marks.entries())));
  }

  /** False if it failed. A restart then gives out other marks, which costs some connections' balancing, no more. */
  #guarded(work: () => void): boolean {
    try {
      work();
      return true;
    } catch (error) {
      this.#say(error instanceof Error ? error.message : String(error));
      return false;
    }
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** Of whatever the file says, what could be marks. */
function entries(kept: unknown): { readonly key: string; readonly mark: number }[] {
  if (typeof kept !== "object" || kept === null) return [];
  return Object.entries(kept).flatMap(([key, mark]) => (typeof mark === "number" ? [{ key, mark }] : []));
}
