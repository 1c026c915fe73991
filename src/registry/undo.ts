/** What to take back when a later change of the batch is refused. A flat log: large batches write hundreds of thousands. */

export class Undo {
  /** Three entries a step: what was changed, at which key, what was there. */
  readonly #log: unknown[] = [];
  readonly #noted = new Set<object>();

  /** True the first time it is asked about the object in this batch: then note how it was, with `push`. */
  first(object: object): boolean {
    return this.#noted.size !== this.#noted.add(object).size;
  }

  /** Remembers how to take back what is about to be done. */
  push(step: () => void): void {
    this.#log.push(step, undefined, undefined);
  }

  /** Where it stands now, for a rollback to here: what has been noted before is noted anew when it is next changed. */
  mark(): number {
    this.#noted.clear();
    return this.#log.length;
  }

  /** Takes everything back that came since the mark, last thing first. */
  rollback(mark = 0): void {
    for (let i = this.#log.length - 3; i >= mark; i -= 3) {
      const [target, key, before] = this.#log.slice(i, i + 3);
      if (target instanceof Map) {
        if (before === NOTHING) target.delete(key);
        else target.set(key, before);
      } else if (target instanceof Set) {
        if (before === NOTHING) target.delete(key);
        else target.add(key);
      } else (target as () => void)();
    }
    this.#log.length = mark;
    this.#noted.clear();
  }

  set<K, V>(map: Map<K, V>, key: K, value: V): void {
    const before = map.get(key);
    this.#log.push(map, key, before === undefined ? NOTHING : before);
    map.set(key, value);
  }

  delete<K, V>(map: Map<K, V>, key: K): void {
    const before = map.get(key);
    if (before === undefined) return;
    this.#log.push(map, key, before);
    map.delete(key);
  }

  add<V>(set: Set<V>, value: V): void {
    if (set.has(value)) return;
    this.#log.push(set, value, NOTHING);
    set.add(value);
  }

  remove<V>(set: Set<V>, value: V): void {
    if (set.delete(value)) this.#log.push(set, value, value);
  }
}

/** Nothing was there. No map of the state holds undefined. */
const NOTHING = Symbol("nothing");

/** What allocating works with. */
export interface Taking {
  readonly undo: Undo;
  /** Addresses and ports that the batch asks for by name: not given to anyone else in it, whoever comes first. */
  readonly spoken: ReadonlySet<string>;
}
