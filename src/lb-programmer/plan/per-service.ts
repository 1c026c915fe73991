/**
 * A list to which each service adds its part, kept from plan to plan: only parts of services that were touched are made again, and the
 * list is the very same one as long as nothing in it is another object.
 */
import type { ReadonlyState, Service, ServiceId } from "../../model/types.ts";
import type { TouchedServices } from "./touched-services.ts";

/** The part of one service. `before` is the one that it had: what is equal in both should be the same object. */
export type PartOf<T> = (state: ReadonlyState, service: Service, before: readonly T[]) => readonly T[];

const NEVER = Number.NEGATIVE_INFINITY;

export class PerService<T> {
  readonly #touched: TouchedServices;
  readonly #partOf: PartOf<T>;
  /** Parts with something in them. */
  #parts = new Map<ServiceId, readonly T[]>();
  #list: readonly T[] = [];
  /** Up to here (`TouchedServices.now`) the parts are as they have to be. */
  #seen = NEVER;

  constructor(touched: TouchedServices, partOf: PartOf<T>) {
    this.#touched = touched;
    this.#partOf = partOf;
  }

  /** The parts of all services, as one list. */
  list(state: ReadonlyState): readonly T[] {
    const { now } = this.#touched;
    const touched = this.#touched.since(this.#seen, state);
    this.#seen = NEVER; // a part that can't be made throws, and then nothing is known
    if (touched === undefined) this.#makeAll(state);
    else if (this.#makeAgain(state, touched)) this.#list = flattened(this.#parts);
    this.#seen = now;
    return this.#list;
  }

  /** In the order of the services, so that what is planned from nothing is in their order. */
  #makeAll(state: ReadonlyState): void {
    const parts = new Map<ServiceId, readonly T[]>();
    for (const service of state.services.values()) {
      const part = this.#part(state, service);
      if (part.length > 0) parts.set(service.id, part);
    }
    this.#parts = parts;
    const list = flattened(parts);
    if (!sameEntries(list, this.#list)) this.#list = list;
  }

  /** True if something is another object than before. */
  #makeAgain(state: ReadonlyState, touched: readonly ServiceId[]): boolean {
    let changed = false;
    for (const id of touched) {
      const service = state.services.get(id);
      const before = this.#parts.get(id) ?? [];
      const part = service === undefined ? [] : this.#part(state, service);
      if (part.length === 0) this.#parts.delete(id);
      else this.#parts.set(id, part);
      changed ||= !sameEntries(part, before);
    }
    return changed;
  }

  #part(state: ReadonlyState, service: Service): readonly T[] {
    return this.#partOf(state, service, this.#parts.get(service.id) ?? []);
  }
}

/** By hand: `flat` takes ten times as long, which would be most of what one change costs. */
function flattened<T>(parts: ReadonlyMap<ServiceId, readonly T[]>): readonly T[] {
  const list: T[] = [];
  for (const part of parts.values()) for (const entry of part) list.push(entry);
  return list;
}

const sameEntries = <T>(a: readonly T[], b: readonly T[]): boolean =>
  a === b || (a.length === b.length && a.every((entry, i) => entry === b[i]));

/** Several lists as one: the same one for the same lists. */
export function joined<T>(lists: readonly (readonly T[])[]): readonly T[] {
  const [first = NONE, ...more] = lists.filter(({ length }) => length > 0);
  return more.reduce<readonly T[]>(joinedTwo, first);
}

const NONE: readonly never[] = [];
type Lists = readonly unknown[];
const joins = new WeakMap<Lists, WeakMap<Lists, Lists>>();

function joinedTwo<T>(first: readonly T[], second: readonly T[]): readonly T[] {
  const known = joins.get(first) ?? new WeakMap<Lists, Lists>();
  const list = known.get(second) ?? [...first, ...second];
  joins.set(first, known.set(second, list));
  return list as readonly T[];
}
