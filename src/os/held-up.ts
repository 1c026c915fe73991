/** Namespaces in which the last tool took too long: while a node ends, the next ones in there get less time. */
import { existsSync } from "node:fs";

export class HeldUp {
  readonly #exists: (path: string) => boolean;
  readonly #paths = new Set<string>();

  constructor(exists: (path: string) => boolean = existsSync) {
    this.#exists = exists;
  }

  /** A tool took too long at this path. Paths where nothing is any more are forgotten then: there are as many as there were at a time. */
  add(path: string): void {
    for (const other of this.#paths) if (!this.#exists(other)) this.#paths.delete(other);
    this.#paths.add(path);
  }

  /** A tool came to its end there. */
  delete(path: string): void {
    this.#paths.delete(path);
  }

  has(path: string): boolean {
    return this.#paths.has(path);
  }

  get size(): number {
    return this.#paths.size;
  }
}
