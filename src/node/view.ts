/**
 * State as it is shown to those outside: live, and nobody can change it. Inside, maps are read as they are: only what is taken out
 * through here is frozen, once, when it is first looked at.
 */
import type { ReadonlyState } from "../model/types.ts";

export function viewOf(state: ReadonlyState): ReadonlyState {
  return Object.freeze({
    get revision() {
      return state.revision;
    },
    networks: new MapView(state.networks, frozen),
    services: new MapView(state.services, frozen),
    tasks: new MapView(state.tasks, frozen),
    containers: new MapView(state.containers, frozen),
    sandboxes: new MapView(state.sandboxes, frozen),
    tasksOf: new MapView(state.tasksOf, (ids): ReadonlySet<string> => new Set(ids)),
  });
}

/** The value itself, which nobody can change from now on, nor anything in it. */
export function frozen<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const part of Object.values(value)) frozen(part);
  return Object.freeze(value);
}

class MapView<K, V> implements ReadonlyMap<K, V> {
  readonly #map: ReadonlyMap<K, V>;
  readonly #out: (value: V) => V;

  constructor(map: ReadonlyMap<K, V>, out: (value: V) => V) {
    this.#map = map;
    this.#out = out;
    Object.freeze(this);
  }

  get size(): number {
    return this.#map.size;
  }

  get(key: K): V | undefined {
    const value = this.#map.get(key);
    return value === undefined ? undefined : this.#out(value);
  }

  has(key: K): boolean {
    return this.#map.has(key);
  }

  keys() {
    return this.#map.keys();
  }

  *values(): Generator<V, undefined, undefined> {
    for (const value of this.#map.values()) yield this.#out(value);
  }

  *entries(): Generator<[K, V], undefined, undefined> {
    for (const [key, value] of this.#map) yield [key, this.#out(value)];
  }

  [Symbol.iterator]() {
    return this.entries();
  }

  forEach(work: (value: V, key: K, map: ReadonlyMap<K, V>) => void, self?: unknown): void {
    for (const [key, value] of this) work.call(self, value, key, this);
  }

  /** What console.log shows. */
  [Symbol.for("nodejs.util.inspect.custom")](): ReadonlyMap<K, V> {
    return new Map(this);
  }
}
