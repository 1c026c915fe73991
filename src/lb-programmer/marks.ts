/** Netfilter marks: one for each virtual server of the node, the same in every namespace. From 256 up, as Docker's. */
import type { VirtualServer } from "./state.ts";

export const FIRST_MARK = 256;
/** Backends number things by a mark times 1 024 (nftables/slots.ts), or add 2^31 to it (ipvs/server.ts), in 32 bits. */
export const LAST_MARK = 2 ** 22 - 1;

export class Marks {
  readonly #marks = new Map<string, number>();
  readonly #used = new Set<number>();
  readonly #changed: () => void;
  /** No mark below this is free. */
  #lowest = FIRST_MARK;

  readonly #last: number;

  /** `changed` is called after a mark was given out or freed. None above `last` is given out. */
  constructor(changed: () => void = () => {}, last = LAST_MARK) {
    this.#changed = changed;
    this.#last = last;
  }

  /** The key's mark: what it had, else the lowest that is free. Throws an Error if none is. */
  of(key: string): number {
    const mark = this.#marks.get(key);
    if (mark !== undefined) return mark;
    while (this.#used.has(this.#lowest)) this.#lowest++;
    if (this.#lowest > this.#last) throw new Error(`${key}: no mark is left, all ${this.#used.size} are in use`);
    this.#changed();
    return this.#take(key, this.#lowest);
  }

  /**
   * Takes over marks that were given out before this process began, so that a restart changes nothing. Where two entries have the
   * same key or the same mark, the first counts; numbers that can't be marks are left out. For sources that no container can write to.
   */
  adopt(servers: Iterable<Pick<VirtualServer, "key" | "mark">>): void {
    for (const { key, mark } of servers) {
      if (!isMark(mark) || this.#marks.has(key) || this.#used.has(mark)) continue;
      this.#take(key, mark);
      this.#changed();
    }
  }

  /** Frees the marks of all other keys, and says which. Keys of servers that still drain must be among those to keep. */
  keep(keys: Iterable<string>): readonly string[] {
    const kept = new Set(keys);
    const freed: string[] = [];
    for (const [key, mark] of this.#marks) {
      if (kept.has(key)) continue;
      this.#marks.delete(key);
      this.#used.delete(mark);
      this.#lowest = Math.min(this.#lowest, mark);
      this.#changed();
      freed.push(key);
    }
    return freed;
  }

  /** Who has which. */
  entries(): readonly (readonly [key: string, mark: number])[] {
    return [...this.#marks];
  }

  #take(key: string, mark: number): number {
    this.#marks.set(key, mark);
    this.#used.add(mark);
    return mark;
  }
}

const isMark = (mark: number): boolean => Number.isInteger(mark) && mark >= FIRST_MARK && mark <= LAST_MARK;
