/**
 * What leaves a namespace, and when it may. A change is made in two phases, so that nobody is sent to where nothing is:
 *
 *   install   everything new is there; a task that is no longer wanted gets weight 0; everything else stays
 *   release   names have been changed: what left the plan up to that revision may go, tasks once they are drained
 *
 * A pass finds out once what leaves (`leavingFrom`), asks which of the tasks among it are drained, and has from both what the
 * namespace must hold next (`stage`). Pure: what has to be known from pass to pass is `Left`, handed in and out.
 */
import { withoutCommon } from "../changed.ts";
import { entryKey, occupies } from "../entries.ts";
import { inTheWay } from "../port-ranges.ts";
import type { Destination, LbState, LocalAddress, PortRedirect, PublishedPort, Snat, VirtualServer } from "../state.ts";

/** Known from pass to pass. */
export interface Left {
  /** Entries that are there without being wanted, by name, and the revision of the first plan that was without them. */
  readonly since: ReadonlyMap<string, number>;
  /** Seconds that services which leave give their tasks, by key: the kernel does not know it. */
  readonly drains: ReadonlyMap<string, number>;
}

export const NOTHING_LEFT: Left = { since: new Map(), drains: new Map() };

export interface Permit {
  /** Revision of the plan. */
  readonly revision: number;
  /** What left up to this revision may go. */
  readonly released: number;
}

/** A task that gets nothing new, and may go once its connections are over; `server` says how long they have. */
export interface DrainingTask {
  readonly server: VirtualServer;
  readonly task: Destination;
}

/** What of a namespace the plan is without. */
export interface Leaving {
  /** Servers that stay, as they will be, and tasks that they are to lose. */
  readonly tasks: ReadonlyMap<VirtualServer, readonly Destination[]>;
  readonly servers: readonly VirtualServer[];
  readonly addresses: readonly LocalAddress[];
  readonly snats: readonly Snat[];
  readonly redirects: readonly PortRedirect[];
  readonly published: readonly PublishedPort[];
  /** Those tasks, of both kinds of servers, that may go once they are drained. */
  readonly draining: readonly DrainingTask[];
  /** To be known if the pass fails, and some of this is still there. */
  readonly left: Left;
  /** Names were changed since the entry of this name left the plan. */
  readonly mayGo: (name: string) => boolean;
}

export function leavingFrom(actual: LbState, desired: LbState, before: Left, permit: Permit): Leaving {
  const { tasks, servers } = serversLeaving(actual, desired);
  if (tasks.size + servers.length === 0 && keepsOthers(actual, desired)) return NOTHING_LEAVES;
  const since = new Map<string, number>();
  const drains = new Map<string, number>();
  const mayGo = (name: string): boolean => since.get(name)! <= permit.released;
  const leaves = (name: string): boolean => {
    since.set(name, before.since.get(name) ?? permit.revision);
    return mayGo(name);
  };
  const gone = <T extends object>(
    there: readonly T[],
    wanted: readonly T[],
    keyOf: KeyOf<T>,
    name: KeyOf<T>,
  ): readonly T[] => {
    const entries = missing(there, wanted, keyOf);
    for (const entry of entries) leaves(name(entry));
    return entries;
  };

  const draining: DrainingTask[] = [];
  for (const [server, lost] of tasks)
    for (const task of lost) if (leaves(nameOf.task(server, task))) draining.push({ server, task });
  const leavers = servers.map((old): VirtualServer => {
    const server = withDrain(old, before);
    if (server.drain !== undefined) drains.set(server.key, server.drain);
    if (leaves(nameOf.server(server))) draining.push(...server.destinations.map((task) => ({ server, task })));
    return server;
  });
  return {
    tasks,
    servers: leavers,
    addresses: gone(actual.addresses, desired.addresses, entryKey.address, nameOf.address),
    snats: gone(actual.snats, desired.snats, entryKey.snat, nameOf.snat),
    redirects: gone(actual.redirects, desired.redirects, entryKey.redirect, nameOf.redirect),
    published: gone(notInTheWay(actual.published, desired.published), [], entryKey.published, nameOf.published),
    draining,
    left: { since, drains },
    mayGo,
  };
}

/** The rule: something comes. */
const NOTHING_LEAVES: Leaving = {
  tasks: new Map(),
  ...{ servers: [], addresses: [], snats: [], redirects: [], published: [], draining: [] },
  left: NOTHING_LEFT,
  mayGo: () => false,
};
const OTHERS = ["addresses", "snats", "redirects", "published"] as const;
const keepsOthers = (actual: LbState, desired: LbState): boolean =>
  OTHERS.every((kind) => actual[kind] === desired[kind] || actual[kind].length === 0);

export interface Staged {
  readonly state: LbState;
  /** Once that is so. */
  readonly left: Left;
}

/** What the namespace must hold next: the plan, and of what leaves all that must not go yet. */
export function stage(desired: LbState, leaving: Leaving, drained: ReadonlySet<Destination>): Staged {
  const { mayGo, left } = leaving;
  if (left.since.size === 0) return { state: desired, left };
  const since = new Map<string, number>();
  const open = (task: Destination): boolean => !drained.has(task);
  const never = (): boolean => false;
  const staying = <T>(entries: readonly T[], name: KeyOf<T>, needed: (entry: T) => boolean): readonly T[] =>
    entries.filter((entry) => {
      if (mayGo(name(entry)) && !needed(entry)) return false;
      since.set(name(entry), left.since.get(name(entry))!);
      return true;
    });

  const losing = (server: VirtualServer): VirtualServer => {
    const lost = leaving.tasks.get(server);
    if (lost === undefined) return server;
    const tasks = staying(lost, (task) => nameOf.task(server, task), open);
    return tasks.length === 0 ? server : { ...server, destinations: [...server.destinations, ...tasks.map(idle)] };
  };
  const kept = leaving.tasks.size === 0 ? desired.servers : desired.servers.map(losing);
  const hasOpen = (server: VirtualServer): boolean => server.destinations.some(open);
  const servers = staying(leaving.servers, nameOf.server, hasOpen).map((server) =>
    mayGo(nameOf.server(server)) ? draining(server, open) : server,
  );
  const vips = new Set(servers.map(({ vip }) => vip));
  const state: LbState = {
    servers: joined(kept, servers),
    addresses: joined(
      desired.addresses,
      staying(leaving.addresses, nameOf.address, ({ address }) => vips.has(address)),
    ),
    snats: joined(
      desired.snats,
      staying(leaving.snats, nameOf.snat, () => servers.length > 0),
    ),
    redirects: joined(desired.redirects, staying(leaving.redirects, nameOf.redirect, never)),
    published: joined(desired.published, staying(leaving.published, nameOf.published, never)),
    sysctls: desired.sysctls,
  };
  return { state, left: { since, drains: left.drains } };
}

/** How long its tasks have: the plan said so as long as it had the service, and we remember it. */
function withDrain(server: VirtualServer, before: Left): VirtualServer {
  const drain = server.drain ?? before.drains.get(server.key);
  return drain === undefined || drain === server.drain ? server : { ...server, drain };
}

/** The server with those of its tasks that still have connections. */
const draining = (server: VirtualServer, open: (task: Destination) => boolean): VirtualServer => ({
  ...server,
  destinations: server.destinations.filter(open).map(idle),
});

type KeyOf<T> = (entry: T) => string;

/** Names of entries in `Left`. */
const nameOf = {
  task: ({ key }: VirtualServer, { address }: Destination): string => `task ${key} ${address}`,
  server: ({ key }: VirtualServer): string => `server ${key}`,
  address: (a: LocalAddress): string => `address ${entryKey.address(a)}`,
  snat: (s: Snat): string => `snat ${entryKey.snat(s)}`,
  redirect: (r: PortRedirect): string => `redirect ${entryKey.redirect(r)}`,
  published: (p: PublishedPort): string => `published ${entryKey.published(p)}`,
};

/** Servers that are to lose tasks, as they will be, with those tasks; and servers that are to go, as they are. */
function serversLeaving(actual: LbState, desired: LbState) {
  const [olds, news] = withoutCommon(actual.servers, desired.servers);
  const there = new Map<string, VirtualServer>();
  for (const server of olds) there.set(server.key, server);
  const tasks = new Map<VirtualServer, readonly Destination[]>();
  for (const server of news) {
    const old = there.get(server.key);
    there.delete(server.key);
    const lost = old === undefined ? [] : lostTasks(old.destinations, server.destinations);
    if (lost.length > 0) tasks.set(server, lost);
  }
  if (there.size === 0) return { tasks, servers: [] };
  // A server whose VIP, mark or port another one has by now can't stay: diff removes it before that one is added. Servers that are there
  // already, the very same, have nothing that it has.
  const taken = new Set(news.flatMap(occupies));
  const servers = [...there.values()].filter((server) => !occupies(server).some((what) => taken.has(what)));
  return { tasks, servers };
}

/** Mostly none: new ones come last. */
function lostTasks(there: readonly Destination[], wanted: readonly Destination[]): readonly Destination[] {
  if (there.every(({ address }, i) => address === wanted[i]?.address)) return [];
  return missing(there, wanted, ({ address }) => address);
}

/** Of those that leave, what can stay a while: not what has a port in common with one that is wanted, which diff removes before. */
function notInTheWay(there: readonly PublishedPort[], wanted: readonly PublishedPort[]): readonly PublishedPort[] {
  const old = missing(there, wanted, entryKey.published);
  if (old.length === 0) return old;
  const shared = new Set(inTheWay(old, wanted));
  return old.filter((port) => !shared.has(port));
}

/** Entries of `there` whose key none of `wanted` has. */
function missing<T extends object>(there: readonly T[], wanted: readonly T[], keyOf: KeyOf<T>): readonly T[] {
  const [olds, news] = withoutCommon(there, wanted);
  if (olds.length === 0) return olds;
  const keys = new Set(news.map(keyOf));
  return olds.filter((entry) => !keys.has(keyOf(entry)));
}

/** The very same list where nothing is added to it. */
const joined = <T>(entries: readonly T[], more: readonly T[]): readonly T[] =>
  more.length === 0 ? entries : [...entries, ...more];

const idle = (task: Destination): Destination => (task.weight === 0 ? task : { ...task, weight: 0 });
