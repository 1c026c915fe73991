/** Objects as they are asked for: by id, else by a name that only one has; lists by what is said of them. */
import { brief } from "../model/quote.ts";
import type { ReadonlyState } from "../model/types.ts";
import { type Kind, MAPS } from "../registry/kinds.ts";
import type { Catalog } from "./catalog.ts";
import { Problem } from "./problem.ts";

/** The fields that some kind or other has. */
export interface Held {
  readonly id: string;
  readonly name?: string;
  readonly source?: string;
  readonly service?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly networks?: readonly { readonly network: string }[];
  readonly endpoints?: readonly { readonly network: string }[];
  readonly member?: { readonly kind: "container" | "task"; readonly id: string };
}

export const objectsOf = (state: ReadonlyState, kind: Kind): ReadonlyMap<string, Held> => state[MAPS[kind]];

/** undefined: there is none. Throws a Problem if the name is that of several. */
export function find(state: ReadonlyState, catalog: Catalog, kind: Kind, called: string): Held | undefined {
  const objects = objectsOf(state, kind);
  const byId = objects.get(called);
  if (byId !== undefined) return byId;
  const ids = catalog.called(kind, called);
  if (ids.length > 1)
    throw new Problem(
      "conflict",
      `${ids.length} ${MAPS[kind]} are called "${brief(called)}": say which by its id (${ids.slice(0, 5).map(brief).join(", ")}${ids.length > 5 ? ", …" : ""})`,
    );
  return ids[0] === undefined ? undefined : objects.get(ids[0]);
}

/** As `find`, for those who need it to be there. */
export function found(state: ReadonlyState, catalog: Catalog, kind: Kind, called: string): Held {
  const object = find(state, catalog, kind, called);
  if (object === undefined) throw new Problem("unknown", `there is no ${kind} "${brief(called)}"`);
  return object;
}

export interface Filters {
  /** "key" or "key=value", each of them must be so. */
  readonly label?: readonly string[] | undefined;
  readonly name?: string | undefined;
  /** Ids or names. */
  readonly network?: string | undefined;
  readonly service?: string | undefined;
  /** "" is that of the API: none. */
  readonly source?: string | undefined;
}

/** Those that pass all filters; a network or service that is not there has nobody. */
export function list(state: ReadonlyState, catalog: Catalog, kind: Kind, filters: Filters): Held[] {
  const { label = [], name, network, service, source } = filters;
  const tests: ((object: Held) => boolean)[] = label.map(labelled);
  if (name !== undefined) tests.push((o) => (o.name ?? o.id).toLowerCase() === name.toLowerCase() || o.id === name);
  if (source !== undefined) tests.push((o) => (o.source ?? "") === source);
  if (network !== undefined) {
    const id = find(state, catalog, "network", network)?.id;
    tests.push((o) => id !== undefined && (kind === "network" ? o.id === id : attached(state, o).includes(id)));
  }
  if (service !== undefined) {
    const id = find(state, catalog, "service", service)?.id;
    tests.push((o) => id !== undefined && serviceOf(state, kind, o) === id);
  }
  const all: Held[] = [];
  for (const object of objectsOf(state, kind).values()) if (tests.every((holds) => holds(object))) all.push(object);
  return all;
}

function labelled(wanted: string): (object: Held) => boolean {
  const [, key = "", value] = /^([^=]*)(?:=(.*))?$/s.exec(wanted)!;
  return ({ labels = {} }) => Object.hasOwn(labels, key) && (value === undefined || labels[key] === value);
}

/** Ids of networks that an object, or the one whose sandbox it is, has a place on. */
function attached(state: ReadonlyState, object: Held): readonly string[] {
  const of = object.member === undefined ? object : memberOf(state, object.member);
  return (of?.networks ?? of?.endpoints ?? []).map(({ network }) => network);
}

function serviceOf(state: ReadonlyState, kind: Kind, object: Held): string | undefined {
  if (kind === "service") return object.id;
  return object.member === undefined ? object.service : memberOf(state, object.member)?.service;
}

const memberOf = (state: ReadonlyState, { kind, id }: NonNullable<Held["member"]>): Held | undefined =>
  objectsOf(state, kind).get(id);
