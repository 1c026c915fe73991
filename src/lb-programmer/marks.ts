/** Netfilter marks: one for each virtual server of the node, the same in every namespace. From 256 up, as Docker's. */
import type { VirtualServer } from "./types.ts";

const FIRST = 256;

export class Marks {
  readonly #marks = new Map<string, number>();
  readonly #used = new Set<number>();
  /** No mark below this is free. */
  #lowest = FIRST;

  /** The key's mark: what it had, else the lowest that is free. */
  of(key: string): number {
    const mark = this.#marks.get(key);
    if (mark !== undefined) return mark;
    while (this.#used.has(this.#lowest)) this.#lowest++;
    return this.#take(key, this.#lowest);
  }

  /** Marks that are in the kernel already, so that a restart changes nothing. Of two that don't fit together the first counts. */
  adopt(servers: Iterable<Pick<VirtualServer, "key" | "mark">>): void {
    for (const { key, mark } of servers) {
      if (mark >= FIRST && !this.#marks.has(key) && !this.#used.has(mark)) this.#take(key, mark);
    }
  }

  /** Frees the marks of all other keys. Keys of servers that still drain must be among those to keep. */
  keep(keys: Iterable<string>): void {
    const kept = new Set(keys);
    for (const [key, mark] of this.#marks) {
      if (kept.has(key)) continue;
      this.#marks.delete(key);
      this.#used.delete(mark);
      this.#lowest = Math.min(this.#lowest, mark);
    }
  }

  #take(key: string, mark: number): number {
    this.#marks.set(key, mark);
    this.#used.add(mark);
    return mark;
  }
}
