/** Of each object: in which revision it last changed, and what it is called. It follows the node, so that nobody has to look at all of them. */
import type { ReadonlyState } from "../model/types.ts";
import { KINDS, type Kind, MAPS } from "../registry/kinds.ts";
import type { Applied } from "../registry/registry.ts";

interface Known {
  readonly revision: number;
  /** Lower-cased. Missing: it has no name beside its id. */
  readonly name: string | undefined;
}

export class Catalog {
  readonly #state: ReadonlyState;
  readonly #known: Readonly<Record<Kind, Map<string, Known>>>;
  readonly #named: Readonly<Record<Kind, Map<string, Set<string>>>>;

  /** What is there already is taken to have changed just now: no earlier answer says otherwise that could be held against it. */
  constructor(state: ReadonlyState) {
    this.#state = state;
    this.#known = perKind<Known>();
    this.#named = perKind<Set<string>>();
    for (const kind of KINDS) for (const id of state[MAPS[kind]].keys()) this.#look(kind, id, state.revision);
  }

  follow({ revision, touched }: Pick<Applied, "revision" | "touched">): void {
    for (const kind of KINDS) for (const id of touched[MAPS[kind]]) this.#look(kind, id, revision);
  }

  /** undefined: there is no such object. */
  revisionOf(kind: Kind, id: string): number | undefined {
    return this.#known[kind].get(id)?.revision;
  }

  /** Ids of those that are called so, whatever the case. */
  called(kind: Kind, name: string): readonly string[] {
    return [...(this.#named[kind].get(name.toLowerCase()) ?? [])];
  }

  #look(kind: Kind, id: string, revision: number): void {
    const object = this.#state[MAPS[kind]].get(id);
    const before = this.#known[kind].get(id);
    if (object === undefined) this.#known[kind].delete(id);
    const name = object !== undefined && "name" in object ? object.name.toLowerCase() : undefined;
    if (object !== undefined) this.#known[kind].set(id, { revision, name });
    if (before?.name === name) return;
    if (before?.name !== undefined) this.#forget(kind, before.name, id);
    if (name === undefined) return;
    const ids = this.#named[kind].get(name);
    if (ids === undefined) this.#named[kind].set(name, new Set([id]));
    else ids.add(id);
  }

  #forget(kind: Kind, name: string, id: string): void {
    const ids = this.#named[kind].get(name);
    ids?.delete(id);
    if (ids?.size === 0) this.#named[kind].delete(name);
  }
}

const perKind = <T>(): Record<Kind, Map<string, T>> =>
  Object.fromEntries(KINDS.map((kind) => [kind, new Map()])) as unknown as Record<Kind, Map<string, T>>;
