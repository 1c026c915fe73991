/**
 * What somebody must let go of before somebody else can have it: an address, a port, a place to listen that the files give to another
 * object now; and a network, which a service can't leave before its tasks. It is all in one batch, so nobody sees anything between.
 */
import { canonicalAddress, canonicalRange } from "../model/address.ts";
import { readChange } from "../model/change.ts";
import type { ChangeInput } from "../model/input.ts";
import { netnsPath } from "../model/netns.ts";
import type { Endpoint, Listen, Port, ReadonlyState, Sandbox } from "../model/types.ts";
import type { Put } from "./objects.ts";

type Step = readonly [change: ChangeInput, index: number];
/** Whether it is wanted by somebody else than the object of this index. */
type Lost = (claim: string, index: number) => boolean;

/** Patches of objects that stay. */
export function lettingGo(state: ReadonlyState, puts: readonly Put[]): Step[] {
  const wanted = new Map<string, number>();
  for (const { change, index } of puts) for (const claim of claimsOf(change)) wanted.set(claim, index);
  const lost: Lost = (claim, index) => (wanted.get(claim) ?? index) !== index;
  const left = networksLeft(state, puts);
  return puts.flatMap((put): Step[] => {
    const change = patchOf(state, put, lost, left);
    return change === undefined ? [] : [[change, put.index]];
  });
}

/** The networks that a service is on and will not be, by its id. */
function networksLeft(state: ReadonlyState, puts: readonly Put[]): ReadonlyMap<string, ReadonlySet<string>> {
  const left = new Map<string, ReadonlySet<string>>();
  for (const { change, id } of puts) {
    if (change.kind !== "service.put") continue;
    const stays = new Set(change.service.networks?.map(({ network }) => network));
    const gone = state.services.get(id)?.networks.filter(({ network }) => !stays.has(network)) ?? [];
    if (gone.length > 0) left.set(id, new Set(gone.map(({ network }) => network)));
  }
  return left;
}

function patchOf(
  state: ReadonlyState,
  { kind, id, index }: Put,
  lost: Lost,
  left: ReadonlyMap<string, ReadonlySet<string>>,
): ChangeInput | undefined {
  switch (kind) {
    case "network":
      return undefined;
    case "service": {
      const ports = fewer(state.services.get(id)?.ports, (port) => !portClaims(port).some((c) => lost(c, index)));
      return ports && { kind: "service.patch", id, patch: { ports } };
    }
    case "task": {
      const task = state.tasks.get(id);
      const gone = left.get(task?.service ?? "");
      const stays = (e: Endpoint) => !gone?.has(e.network) && !endpointClaims(e).some((c) => lost(c, index));
      const endpoints = fewer(task?.endpoints, stays);
      return endpoints && { kind: "task.patch", id, patch: { endpoints } };
    }
    case "container": {
      const stays = (e: Endpoint) => !endpointClaims(e).some((c) => lost(c, index));
      const endpoints = fewer(state.containers.get(id)?.endpoints, stays);
      return endpoints && { kind: "container.patch", id, patch: { endpoints } };
    }
    case "sandbox": {
      const sandbox = state.sandboxes.get(id);
      const listen = fewer(sandbox?.listen, (at) => !listenClaims(sandbox!, at).some((c) => lost(c, index)));
      return listen && { kind: "sandbox.patch", id, patch: { listen } };
    }
  }
}

/** What stays of a list; undefined if all of it does. */
function fewer<T>(list: readonly T[] = [], stays: (one: T) => boolean): readonly T[] | undefined {
  const kept = list.filter(stays);
  return kept.length < list.length ? kept : undefined;
}

/** What a change asks for by name. What it leaves to be allocated nobody has to make room for. */
function claimsOf(change: ChangeInput): string[] {
  if (!asks(change)) return [];
  const read = readChange(change); // ranges of ports are written out, defaults filled in
  if (read.kind === "none") return [];
  switch (read.kind) {
    case "service.put":
      return read.service.ports.flatMap(portClaims);
    case "task.put":
      return (read.task.endpoints ?? []).flatMap(endpointClaims);
    case "container.put":
      return read.container.endpoints.flatMap(endpointClaims);
    case "sandbox.put":
      return read.sandbox.listen.flatMap((at) => listenClaims(read.sandbox, at));
    default:
      return [];
  }
}

/** Most objects ask for nothing, and need not be read. */
function asks(change: ChangeInput): boolean {
  switch (change.kind) {
    case "service.put":
      return change.service.ports?.some(({ published }) => published) === true;
    case "task.put":
      return change.task.endpoints?.some(({ ip4, ip6 }) => ip4 ?? ip6) === true;
    case "container.put":
      return change.container.endpoints?.some(({ ip4, ip6 }) => ip4 ?? ip6) === true;
    case "sandbox.put":
      return true;
    default:
      return false;
  }
}

const endpointClaims = ({ network, ip4, ip6 }: Endpoint): string[] =>
  [ip4, ip6].flatMap((ip) => (ip === undefined ? [] : [`${network} ${canonicalAddress(ip) ?? ip}`]));

const portClaims = ({ protocol, published }: Port): string[] => (published ? [`${protocol} ${published}`] : []);

const listenClaims = ({ netns = "" }: Sandbox, { address, port, source = ["any"] }: Listen): string[] =>
  port === 0
    ? []
    : source.map(
        (s) => `${netns && netnsPath(netns)} ${canonicalAddress(address) ?? address} ${port} ${canonicalRange(s) ?? s}`,
      );
