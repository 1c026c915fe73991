/** What to take back when a later change of the batch is refused. */

export class Undo {
  readonly #steps: (() => void)[] = [];

  /** Remembers how to take back what was just done. */
  push(step: () => void): void {
    this.#steps.push(step);
  }

  /** Takes everything back, last thing first. */
  rollback(): void {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) step();
  }

  set<K, V>(map: Map<K, V>, key: K, value: V): void {
    const before = map.get(key);
    const had = map.has(key);
    map.set(key, value);
    this.push(() => (had ? map.set(key, before as V) : map.delete(key)));
  }

  delete<K, V>(map: Map<K, V>, key: K): void {
    if (!map.has(key)) return;
    const before = map.get(key) as V;
    map.delete(key);
    this.push(() => map.set(key, before));
  }

  add<V>(set: Set<V>, value: V): void {
    if (set.has(value)) return;
    set.add(value);
    this.push(() => set.delete(value));
  }

  remove<V>(set: Set<V>, value: V): void {
    if (set.delete(value)) this.push(() => set.add(value));
  }
}
