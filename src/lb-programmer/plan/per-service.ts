/**
 * A list to which each service adds its part, kept from plan to plan: only parts of services that were touched are made again, and the
 * list is the very same one as long as nothing in it is another object.
 */
import type { ReadonlyState, Service, ServiceId } from "../../model/types.ts";
import { tellDifference } from "../changed.ts";
import type { TouchedServices } from "./touched-services.ts";

/** The part of one service. `before` is the one that it had: what is equal in both should be the same object. */
export type PartOf<T> = (state: ReadonlyState, service: Service, before: readonly T[]) => readonly T[];

const NEVER = Number.NEGATIVE_INFINITY;

/** What a service adds, and where in the list that begins. */
interface Part<T> {
  readonly entries: readonly T[];
  readonly at: number;
}

export class PerService<T> {
  readonly #touched: TouchedServices;
  readonly #partOf: PartOf<T>;
  /** Parts with something in them, in the order of the list. */
  #parts = new Map<ServiceId, Part<T>>();
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
    else if (touched.length > 0) this.#makeAgain(state, new Set(touched));
    this.#seen = now;
    return this.#list;
  }

  /** In the order of the services, so that what is planned from nothing is in their order. */
  #makeAll(state: ReadonlyState): void {
    const parts = new Map<ServiceId, readonly T[]>();
    for (const service of state.services.values()) parts.set(service.id, this.#part(state, service));
    this.#place(parts);
  }

  #makeAgain(state: ReadonlyState, touched: ReadonlySet<ServiceId>): void {
    const changed = new Map<ServiceId, readonly T[]>();
    for (const id of touched) {
      const service = state.services.get(id);
      const part = service === undefined ? NONE : this.#part(state, service);
      if (!sameEntries(part, this.#entries(id))) changed.set(id, part);
    }
    if (changed.size > 0 && [...changed].every(([id, { length }]) => length === this.#room(id, length)))
      this.#exchange(changed);
    else if (changed.size > 0) this.#moveAll(changed);
  }

  /** Entries that there is room for where the service has its part: as many as there are; as many as it wants, where it has none. */
  #room(id: ServiceId, wanted: number): number {
    return this.#parts.get(id)?.entries.length ?? wanted;
  }

  /** All parts stay where they are, and new ones come last: all else of the list is copied. */
  #exchange(changed: ReadonlyMap<ServiceId, readonly T[]>): void {
    const [before, list] = [this.#list, [...this.#list]];
    const [olds, news]: [T[], T[]] = [[], []];
    for (const [id, entries] of changed) {
      olds.push(...this.#entries(id));
      news.push(...entries);
      const at = this.#parts.get(id)?.at ?? list.length;
      this.#parts.set(id, { entries, at });
      for (const [i, entry] of entries.entries()) list[at + i] = entry;
    }
    this.#list = list;
    tellDifference(before, list, [olds, news]);
  }

  #moveAll(changed: ReadonlyMap<ServiceId, readonly T[]>): void {
    const parts = new Map<ServiceId, readonly T[]>();
    for (const [id, { entries }] of this.#parts) parts.set(id, entries);
    for (const [id, entries] of changed) parts.set(id, entries);
    this.#place(parts);
  }

  /** One after the other. By hand: `flat` takes ten times as long. */
  #place(parts: ReadonlyMap<ServiceId, readonly T[]>): void {
    const list: T[] = [];
    const placed = new Map<ServiceId, Part<T>>();
    for (const [id, entries] of parts) {
      if (entries.length > 0) placed.set(id, { entries, at: list.length });
      for (const entry of entries) list.push(entry);
    }
    this.#parts = placed;
    if (!sameEntries(list, this.#list)) this.#list = list;
  }

  #part(state: ReadonlyState, service: Service): readonly T[] {
    return this.#partOf(state, service, this.#entries(service.id));
  }

  #entries(id: ServiceId): readonly T[] {
    return this.#parts.get(id)?.entries ?? NONE;
  }
}

const sameEntries = <T>(a: readonly T[], b: readonly T[]): boolean =>
  a === b || (a.length === b.length && a.every((entry, i) => entry === b[i]));

/** Several lists as one: the same one for the same lists. */
export function joined<T>(lists: readonly (readonly T[])[]): readonly T[] {
  let list: readonly T[] = NONE;
  for (const more of lists) if (more.length > 0) list = list.length === 0 ? more : joinedTwo(list, more);
  return list;
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
