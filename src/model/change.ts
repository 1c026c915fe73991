/** Changes as people give them, checked against the schema and completed: the result shares nothing with what was given. */
import type { z } from "zod";
import { CONTAINER_RESOLVER, DNS_PORT, slotOrNode } from "./defaults.ts";
import type { ChangeInput } from "./input.ts";
import { instead, isPlain, type Place, pathText, shown, type Told, tellIssues } from "./issues.ts";
import { eachPort } from "./port-range.ts";
import { brief } from "./quote.ts";
import { changeSchema, fieldsAt, isBound } from "./schema.ts";
import type { Change, Endpoint, Task } from "./types.ts";

/** A task whose endpoints may be missing: then they are its service's networks, which the registry knows. */
export type GivenTask = Omit<Task, "endpoints"> & { readonly endpoints?: readonly Endpoint[] };

/** Fields of an object that is there, as they will be; null: back to the default. */
export interface GivenPatch {
  readonly kind: Extract<ChangeInput["kind"], `${string}.patch`>;
  readonly id: string;
  readonly patch: Readonly<Record<string, unknown>>;
}

/** A change with all defaults filled in, except for what depends on what exists. */
export type Given =
  | Exclude<Change, { readonly kind: "task.put" }>
  | { readonly kind: "task.put"; readonly task: GivenTask }
  | GivenPatch;

/** Why something is no change. */
export interface NoChange {
  readonly kind: "none";
  /** Kind of the change, if it has one that we know. */
  readonly op: ChangeInput["kind"] | undefined;
  /** What people may know it by: 'task.put "web.1"'. */
  readonly called: string;
  /** "task.endpoints[0].ip4"; "" if it is about the whole. */
  readonly path: string;
  /** To be read behind the path: "must be a string, not 5". */
  readonly message: string;
}

/** What is meant by a change, or what is wrong with it. Takes anything. `stored`: it was a change to an earlier release, which had no bounds. */
export function readChange(value: unknown, { stored = false } = {}): Given | NoChange {
  const parsed = changeSchema.safeParse(value);
  if (!parsed.success) {
    const { issues } = parsed.error;
    return stored && issues.every(isBound) ? complete(tidy(structuredClone(value)) as Tidy) : noChange(value, issues);
  }
  const { patch } = value as { readonly patch?: object };
  if (patch !== undefined && !isPlain(patch))
    return { kind: "none", ...called(value, []), path: "patch", message: `must be an object, not ${shown(patch)}` };
  return complete(tidy(parsed.data) as Tidy);
}

/** What zod gives, without what is there and undefined. */
type Tidy = Defined<z.output<typeof changeSchema>>;
type Defined<T> = T extends object ? { [K in keyof T]: Defined<Exclude<T[K], undefined>> } : T;

/** With ids, and with what else depends on other fields. In place, as `tidy` works. */
function complete(given: Tidy): Given {
  switch (given.kind) {
    case "network.put":
      given.network.id ??= given.network.name;
      break;
    case "service.put":
      given.service.id ??= given.service.name;
      given.service.ports = each(given.service.ports, given);
      break;
    case "service.patch":
      if (Array.isArray(given.patch["ports"])) given.patch["ports"] = each(given.patch["ports"], given);
      break;
    case "container.put":
      given.container.id ??= given.container.name;
      break;
    case "task.put":
      given.task.id ??= `${given.task.service}.${slotOrNode(given.task)}`;
      break;
    case "sandbox.put":
      given.sandbox.id ??= given.sandbox.member.id;
      given.sandbox.listen ??=
        given.sandbox.netns === undefined ? [] : [{ address: CONTAINER_RESOLVER, port: DNS_PORT }];
  }
  return given as Given;
}

/** Without ranges; where each port of the change had stood is kept in mind. */
function each<T extends Parameters<typeof eachPort>[0]>(ports: T[], given: object): T[] {
  if (ports.length === 0) return ports;
  const parts = ports.map((port) => eachPort(port) as unknown as T[]);
  const all = parts.flat();
  if (all.length > ports.length)
    STOOD.set(
      given,
      parts.flatMap((part, i) => part.map(() => i)),
    );
  return all;
}

/** Of changes with ranges of ports: for each port by itself, which one it was. */
const STOOD = new WeakMap<object, readonly number[]>();

/** A place within an object as it was given, before ranges were written out: "ports[11].mode" may have been "ports[1].mode". */
export function placeAsGiven(change: Given, place: string): string {
  const [, port, field] = /^ports\[(\d+)\](.*)/.exec(place) ?? [];
  const stood = port === undefined ? undefined : STOOD.get(change)?.[Number(port)];
  return stood === undefined ? place : `ports[${stood}]${field}`;
}

/**
 * Without what is undefined; works in place, on what zod has made anew. All empty lists and objects become one of each: a
 * hundred thousand tasks would hold three hundred thousand.
 */
function tidy(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) value[i] = tidy(value[i]);
    return value.length === 0 ? NO_ITEMS : value;
  }
  const object = value as Record<string, unknown>;
  const keys = Object.keys(object);
  let gaps = false;
  for (const key of keys) {
    const field = object[key];
    if (field === undefined) gaps = true;
    else if (typeof field === "object") object[key] = tidy(field);
  }
  if (gaps) return Object.fromEntries(Object.entries(object).filter(([, field]) => field !== undefined));
  return keys.length === 0 ? NO_FIELDS : object;
}

const NO_ITEMS: readonly never[] = Object.freeze([]);
const NO_FIELDS = Object.freeze({});

/** The first thing wrong; a field that nobody knows comes before one that is missing, which it may have been meant to be. */
function noChange(value: unknown, issues: readonly z.core.$ZodIssue[]): NoChange {
  const all = tellIssues(issues, { list: "a list", object: "an object" });
  const { place, message, key } = all.find((told) => told.key) ?? all[0]!;
  return {
    kind: "none",
    ...called(value, all),
    path: pathText(place),
    message: key ? noField(value, place) : instead(message, value, place),
  };
}

function noField(change: unknown, place: Place): string {
  if (pathText(place) === "patch.id") return "can't be changed: remove the object, and put it under its new id";
  if (pathText(place) === "patch.source")
    return "can't be changed: put the object, with the source that it has from now on";
  return `is no field; there are ${fieldsAt(change, place.slice(0, -1)).join(", ")}`;
}

function called(value: unknown, all: readonly Told[]): Pick<NoChange, "op" | "called"> {
  if (typeof value !== "object" || value === null || all.some(({ place }) => place.length === 0 || place[0] === "kind"))
    return { op: undefined, called: "change" };
  const { kind } = value as { readonly kind: ChangeInput["kind"] };
  const object = (value as Readonly<Record<string, unknown>>)[kind.replace(/\..*/, "")] ?? value;
  const { id, name, service, slot, node } = object as Readonly<Record<string, unknown>>;
  const task = kind === "task.put" && typeof service === "string" && `${service}.${slot ?? node}`; // its id, if none is given
  const known = [name, id ?? task].find((text) => typeof text === "string" && text !== "");
  return { op: kind, called: known === undefined ? kind : `${kind} ${JSON.stringify(brief(known as string))}` };
}
