/**
 * What leaves a namespace, and when it may. A change is made in two phases, so that nobody is sent to where nothing is:
 *
 *   install   everything new is there; a task that is no longer wanted gets weight 0; everything else stays
 *   release   names have been changed: what left the plan up to that revision may go, tasks once they are drained
 */
import { apart, claims, placeOf } from "../diff.ts";
import type { Destination, LbState, LocalAddress, VirtualServer } from "../state.ts";

export interface Permit {
  /** Revision of the plan. */
  readonly revision: number;
  /** What left up to this revision may go. */
  readonly released: number;
  /** True if the task's connections are over, or had their time. Asked for what may go and leads to tasks. */
  readonly drained: (server: VirtualServer, destination: Destination) => boolean;
}

export class Leaving {
  /** Entries that are there without being wanted, and the revision of the first plan that was without them. */
  #left = new Map<string, number>();
  /** When destinations were first seen to have weight 0, in the clock's milliseconds; and the servers that this is of. */
  readonly #idle = new Map<string, number>();
  #noted: readonly VirtualServer[] = [];
  /** Of services that leave, the time they have: the kernel does not know it. */
  #drains = new Map<string, number>();

  /** How many entries are still there without being wanted. */
  get size(): number {
    return this.#left.size;
  }

  /** True if that permits something that was kept back so far. */
  waitsFor(released: number): boolean {
    for (const revision of this.#left.values()) if (revision <= released) return true;
    return false;
  }

  /** Takes note of destinations that have weight 0 by now; the time that they are given counts from here. */
  note(actual: LbState, now: number): void {
    const [olds, news] = apart(this.#noted, actual.servers, Object.is);
    const idle = new Set(idleNames(news));
    for (const name of idleNames(olds)) if (!idle.has(name)) this.#idle.delete(name);
    for (const name of idle) if (!this.#idle.has(name)) this.#idle.set(name, now);
    this.#noted = actual.servers;
  }

  /** Since when the destination has had weight 0; undefined if it has not. */
  idleSince(server: VirtualServer, destination: Destination): number | undefined {
    return this.#idle.get(destinationName(server, destination));
  }

  /** What the namespace must hold now: the plan, and what must not go yet. */
  stage(actual: LbState, desired: LbState, permit: Permit): LbState {
    const left = new Map<string, number>();
    const mayGo: MayGo = (name) => {
      const revision = this.#left.get(name) ?? permit.revision;
      left.set(name, revision);
      return revision <= permit.released;
    };
    const [olds, news] = apart(actual.servers, desired.servers, Object.is);
    const there = new Map(olds.map((server) => [server.key, server]));
    const losing = new Map<VirtualServer, VirtualServer>();
    for (const server of news) {
      const stay = staying(server, there.get(server.key), mayGo, permit);
      there.delete(server.key);
      if (stay.length > 0) losing.set(server, { ...server, destinations: [...server.destinations, ...stay] });
    }
    const leaving = this.#servicesLeaving([...there.values()], desired, mayGo, permit);
    const vips = new Set(leaving.map(({ vip }) => vip));
    const hasServer = (a: LocalAddress): boolean => vips.has(a.address);
    const hasServers = (): boolean => leaving.length > 0;
    const kept = <T>(
      kind: string,
      there: readonly T[],
      here: readonly T[],
      place: Place<T>,
      keep?: (e: T) => boolean,
    ) => others(there, here, place, (entry) => !mayGo(`${kind} ${place(entry)}`) || keep?.(entry) === true);
    const staged: LbState = {
      servers:
        losing.size + leaving.length === 0 ? desired.servers : [...replaced(desired.servers, losing), ...leaving],
      addresses: kept("address", actual.addresses, desired.addresses, placeOf.address, hasServer),
      snats: kept("snat", actual.snats, desired.snats, placeOf.snat, hasServers),
      redirects: kept("redirect", actual.redirects, desired.redirects, placeOf.redirect),
      published: kept("published", actual.published, desired.published, placeOf.published),
      sysctls: desired.sysctls,
    };
    this.#left = left;
    return staged;
  }

  /** Services that are no more: as they are until that is released, then drained, then gone. */
  #servicesLeaving(olds: readonly VirtualServer[], desired: LbState, mayGo: MayGo, { drained }: Permit) {
    const drains = new Map<string, number>();
    const taken = olds.length === 0 ? new Set<string>() : new Set(desired.servers.flatMap(claims));
    const leaving = olds.flatMap((server) => {
      if (claims(server).some((claim) => taken.has(claim))) return []; // another service has its place by now
      const drain = server.drain ?? this.#drains.get(server.key);
      if (drain !== undefined) drains.set(server.key, drain);
      const old = drain === undefined ? server : { ...server, drain };
      if (!mayGo(`server ${old.key}`)) return [old];
      const stay = old.destinations.filter((d) => !drained(old, d));
      return stay.length === 0 ? [] : [{ ...old, destinations: stay.map(idle) }];
    });
    this.#drains = drains;
    return leaving;
  }
}

type MayGo = (name: string) => boolean;
type Place<T> = (entry: T) => string;

/** Tasks that a service is to lose: they get no new connections, and go when that is permitted and they are drained. */
function staying(
  server: VirtualServer,
  old: VirtualServer | undefined,
  mayGo: MayGo,
  { drained }: Permit,
): Destination[] {
  if (old === undefined) return [];
  const wanted = new Set(server.destinations.map((d) => d.address));
  return old.destinations
    .filter((d) => !wanted.has(d.address))
    .filter((d) => {
      const permitted = mayGo(`destination ${destinationName(server, d)}`);
      return !(permitted && drained(server, d));
    })
    .map(idle);
}

const replaced = (servers: readonly VirtualServer[], by: ReadonlyMap<VirtualServer, VirtualServer>): VirtualServer[] =>
  servers.map((server) => by.get(server) ?? server);

/** `here`, and those of `there` that are kept although they are not in it. */
function others<T>(
  there: readonly T[],
  here: readonly T[],
  place: Place<T>,
  keep: (entry: T) => boolean,
): readonly T[] {
  const [olds, news] = apart(there, here, (a, b) => place(a) === place(b));
  const places = new Set(news.map(place));
  const kept = olds.filter((entry) => !places.has(place(entry)) && keep(entry));
  return kept.length === 0 ? here : [...here, ...kept];
}

const idle = (d: Destination): Destination => (d.weight === 0 ? d : { ...d, weight: 0 });

const idleNames = (servers: readonly VirtualServer[]): string[] =>
  servers.flatMap((s) => s.destinations.filter((d) => d.weight === 0).map((d) => destinationName(s, d)));

const destinationName = ({ key }: VirtualServer, { address }: Destination): string => `${key} ${address}`;
