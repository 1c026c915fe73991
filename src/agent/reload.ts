/**
 * From what exists to what the files say: one batch, all of it or nothing. What is put as it is changes nothing, so a reload costs what
 * is different, and a restart with a store is a reload, too. Pure.
 */
import type { ChangeInput } from "../model/input.ts";
import { brief } from "../model/quote.ts";
import type { ReadonlyState } from "../model/types.ts";
import { lettingGo } from "./letting-go.ts";
import { type Kind, objectsOf, type Put, putOf, removal } from "./objects.ts";

export interface Reload {
  readonly changes: readonly ChangeInput[];
  /** Of each change: which of the files' changes it is (for), or the file in which its object was. */
  readonly origins: readonly (number | string)[];
  /** The files' changes about objects that are the API's, and what to do about that; they are in no batch. */
  readonly foreign: readonly { readonly index: number; readonly message: string }[];
}

/** `wanted` is everything that the files say. */
export function reloadOf(state: ReadonlyState, wanted: readonly ChangeInput[]): Reload {
  const taken = apiNames(state);
  const foreign: Reload["foreign"][number][] = [];
  const puts = wanted.flatMap((change, index): Put[] => {
    const put = putOf(change, index);
    const made = madeBy(put, state, taken);
    if (made !== undefined) foreign.push({ index, message: made });
    return made === undefined ? [put] : [];
  });
  const steps = inOrder(state, puts);
  return { changes: steps.map(([change]) => change), origins: steps.map(([, origin]) => origin), foreign };
}

type Planned = readonly [change: ChangeInput, origin: number | string];

/**
 * Networks first, as others come to them, and last, as others leave them. What is there no more goes before what comes, which may want
 * its name, address or port; and so does what is kept but wanted by somebody else.
 */
function inOrder(state: ReadonlyState, puts: readonly Put[]): Planned[] {
  const isNetwork = ({ kind }: Put): boolean => kind === "network";
  const gone = goneFrom(state, puts);
  return [
    ...puts.filter(isNetwork).map(asPlanned),
    ...(["sandbox", "container", "task", "service"] as const).flatMap(gone),
    ...lettingGo(state, puts),
    ...puts.filter((put) => !isNetwork(put)).map(asPlanned),
    ...gone("network"),
  ];
}

const asPlanned = ({ change, index }: Put): Planned => [change, index];

/** Removals of a kind's objects that some file has had and none has now. */
function goneFrom(state: ReadonlyState, puts: readonly Put[]): (kind: Kind) => Planned[] {
  const stay = new Set(puts.map(({ kind, id }) => `${kind} ${id}`));
  return (kind) => {
    const gone: Planned[] = [];
    for (const [id, { source }] of objectsOf(state, kind))
      if (source !== undefined && !stay.has(`${kind} ${id}`)) gone.push([removal(kind, id), source]);
    return gone;
  };
}

/** What the API made, as people call it: "network front", "service web n" for each of its networks. */
function apiNames(state: ReadonlyState): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { name, source } of [...state.networks.values()])
    if (source === undefined) names.add(called("network", name));
  for (const { name, source } of [...state.containers.values()])
    if (source === undefined) names.add(called("container", name));
  for (const { name, source, networks } of [...state.services.values()])
    if (source === undefined) for (const { network } of networks) names.add(called("service", name, network));
  return names;
}

const called = (kind: Kind, name: string, network = ""): string => `${kind} ${name.toLowerCase()} ${network}`;

/** Why the file can't have the object, if the API has it: by its id, or under its name. */
function madeBy({ kind, id, change }: Put, state: ReadonlyState, taken: ReadonlySet<string>): string | undefined {
  const there = objectsOf(state, kind).get(id);
  const name = nameIn(change) ?? id;
  if (there === undefined ? !namesIn(change).some((n) => taken.has(n)) : there.source !== undefined) return undefined;
  const shown = brief(name);
  return `${kind} "${shown}" was made through the API; remove it there first (eleven ${kind} rm ${shown}), or call this one otherwise`;
}

function nameIn(change: ChangeInput): string | undefined {
  switch (change.kind) {
    case "network.put":
      return change.network.name;
    case "service.put":
      return change.service.name;
    case "container.put":
      return change.container.name;
    default:
      return undefined;
  }
}

function namesIn(change: ChangeInput): string[] {
  const name = nameIn(change) ?? "";
  switch (change.kind) {
    case "network.put":
      return [called("network", name)];
    case "container.put":
      return [called("container", name)];
    case "service.put":
      return (change.service.networks ?? []).map(({ network }) => called("service", name, network));
    default:
      return [];
  }
}
