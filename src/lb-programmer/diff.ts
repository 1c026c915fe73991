/** The steps from one state to another, and the canonical form of a state. Pure. */
import { familyOf } from "../model/address.ts";
import { inTheWay, lastOf, samePorts, sameTexts } from "./port-ranges.ts";
import type {
  LbOp,
  LbState,
  LocalAddress,
  PortRange,
  PortRedirect,
  PublishedPort,
  Snat,
  VirtualServer,
} from "./state.ts";

/** What a server occupies in a namespace, each as a text: no two servers may have one of these in common. */
export function occupies({ vip, mark, from, ports, keepSource }: VirtualServer): string[] {
  const family = familyOf(vip);
  return [
    `mark ${mark}`,
    ...(keepSource && from === "published" ? [] : [vip]), // however its connections come: a backend refuses them by VIP
    ...ports.flatMap((p) => numbers(p).map((port) => `${p.protocol} ${port} ${family}`)),
  ];
}

const numbers = (range: PortRange): readonly number[] =>
  range.last === undefined
    ? [range.port]
    : Array.from({ length: lastOf(range) - range.port + 1 }, (_, i) => range.port + i);

/** What each kind of entry is known by: the kernel holds at most one entry of each key. */
export const entryKey = {
  address: (a: LocalAddress): string => `${a.address} ${a.device}`,
  snat: (s: Snat): string => s.subnet,
  redirect: (r: PortRedirect): string => `${r.address} ${r.protocol} ${r.published}`,
  published: (p: PublishedPort): string => `${p.protocol} ${p.port} ${familyOf(p.to)}`,
};

/**
 * Steps that turn `actual` into `desired`, none if they are equal: first what is added and changed, in the order in which it
 * is of use (an address, which brings connections, after the server that balances them), then what is removed. Sysctls
 * that only `actual` has are left alone.
 */
export function diff(actual: LbState, desired: LbState): LbOp[] {
  const servers = diffServers(actual.servers, desired.servers);
  const addresses = changed(actual.addresses, desired.addresses, entryKey.address, () => true);
  const snats = changed(actual.snats, desired.snats, entryKey.snat, (a, b) => a.to === b.to);
  const redirects = changed(actual.redirects, desired.redirects, entryKey.redirect, (a, b) => a.target === b.target);
  const published = changed(actual.published, desired.published, entryKey.published, samePublished);
  const shared = new Set(inTheWay(published.removed, published.added)); // ranges with another beginning
  return [
    ...Object.entries(desired.sysctls)
      .filter(([key, value]) => actual.sysctls[key] !== value)
      .map(([key, value]): LbOp => ({ op: "sysctl.set", key, value })),
    ...snats.replaced.map((snat): LbOp => ({ op: "snat.remove", snat })),
    ...snats.added.map((snat): LbOp => ({ op: "snat.add", snat })),
    ...servers.install,
    ...addresses.added.map((address): LbOp => ({ op: "address.add", address })),
    ...redirects.replaced.map((redirect): LbOp => ({ op: "redirect.remove", redirect })),
    ...redirects.added.map((redirect): LbOp => ({ op: "redirect.add", redirect })),
    ...[...published.replaced, ...shared].map((port): LbOp => ({ op: "published.remove", published: port })),
    ...published.added.map((port): LbOp => ({ op: "published.add", published: port })),

    ...published.removed
      .filter((port) => !shared.has(port))
      .map((port): LbOp => ({ op: "published.remove", published: port })),
    ...redirects.removed.map((redirect): LbOp => ({ op: "redirect.remove", redirect })),
    ...servers.remove,
    ...addresses.removed.map((address): LbOp => ({ op: "address.remove", address })),
    ...snats.removed.map((snat): LbOp => ({ op: "snat.remove", snat })),
  ];
}

/** The same lists, whatever is in them: of one planner's plans, that nothing was changed between them. Others may be equal, too. */
export function isSame(a: LbState, b: LbState): boolean {
  const same = (one: readonly unknown[], other: readonly unknown[]): boolean =>
    one === other || (one.length === 0 && other.length === 0);
  return (
    same(a.servers, b.servers) &&
    same(a.addresses, b.addresses) &&
    same(a.snats, b.snats) &&
    same(a.redirects, b.redirects) &&
    same(a.published, b.published) &&
    sameSettings(a.sysctls, b.sysctls)
  );
}

const sameSettings = (a: LbState["sysctls"], b: LbState["sysctls"]): boolean =>
  a === b || Object.entries({ ...a, ...b }).every(([key]) => a[key] === b[key]);

export const samePublished = (a: PublishedPort, b: PublishedPort): boolean =>
  a.last === b.last &&
  a.to === b.to &&
  a.toPort === b.toPort &&
  a.bridge === b.bridge &&
  sameTexts(a.sources, b.sources);

/**
 * What is left of two lists without the objects that are in both: of ten thousand services, mostly the one that changed. So that a
 * small change to a large state costs little, lists are cut like this before they are compared entry by entry.
 */
export function withoutCommon<T extends object>(a: readonly T[], b: readonly T[]): [readonly T[], readonly T[]] {
  if (a === b) return [[], []];
  const most = Math.min(a.length, b.length);
  let [start, end] = [0, 0];
  while (start < most && a[start] === b[start]) start++;
  while (end < most - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  let [olds, news] = [a.slice(start, a.length - end), b.slice(start, b.length - end)];
  if (olds.length === news.length) [olds, news] = [unlike(olds, news), unlike(news, olds)];
  return [without(olds, news), without(news, olds)];
}

/** Changes in place, the rule, leave everything else where it was. */
const unlike = <T>(entries: readonly T[], others: readonly T[]): T[] =>
  entries.filter((entry, i) => entry !== others[i]);

function without<T>(entries: readonly T[], others: readonly T[]): readonly T[] {
  if (entries.length === 0 || others.length === 0) return entries;
  const there = new Set(others);
  return entries.filter((entry) => !there.has(entry));
}

interface Changed<T> {
  /** Not there at all, or there with another value. */
  added: T[];
  /** Those other values: they must be removed before the new ones are added. */
  replaced: T[];
  removed: T[];
}

function changed<T extends object>(
  actual: readonly T[],
  desired: readonly T[],
  keyOf: (entry: T) => string,
  same: (a: T, b: T) => boolean,
): Changed<T> {
  const out: Changed<T> = { added: [], replaced: [], removed: [] };
  const [olds, news] = withoutCommon(actual, desired);
  const there = new Map(olds.map((entry) => [keyOf(entry), entry]));
  for (const entry of news) {
    const key = keyOf(entry);
    const old = there.get(key);
    there.delete(key);
    if (old !== undefined && same(old, entry)) continue;
    out.added.push(entry);
    if (old !== undefined) out.replaced.push(old);
  }
  out.removed.push(...there.values());
  return out;
}

/** Servers that a plan did not change are the very same objects as before (plan/planner.ts), so they are left out. */
function diffServers(actual: readonly VirtualServer[], desired: readonly VirtualServer[]) {
  const [olds, news] = withoutCommon(actual, desired);
  const there = new Map(olds.map((server) => [server.key, server]));
  const added: VirtualServer[] = [];
  const replaced: VirtualServer[] = [];
  const [changes, leaving]: [LbOp[], LbOp[]] = [[], []];
  for (const server of news) {
    const old = there.get(server.key);
    there.delete(server.key);
    if (old === undefined) added.push(server);
    else if (!sameIdentity(old, server)) {
      replaced.push(old);
      added.push(server);
    } else {
      if (old.scheduler !== server.scheduler || old.affinity !== server.affinity)
        changes.push({ op: "server.change", server });
      diffDestinations(old, server, changes, leaving);
    }
  }
  const taken = new Set(added.flatMap(occupies));
  const [inTheWay, removed]: [VirtualServer[], VirtualServer[]] = [[], []];
  for (const server of there.values())
    (taken.size > 0 && occupies(server).some((what) => taken.has(what)) ? inTheWay : removed).push(server);
  const remove = (server: VirtualServer): LbOp => ({ op: "server.remove", server });
  return {
    install: [...changes, ...inTheWay.map(remove), ...replaced.map(remove), ...added.flatMap(withDestinations)],
    remove: [...leaving, ...removed.map(remove)],
  };
}

const withDestinations = (server: VirtualServer): LbOp[] => [
  { op: "server.add", server },
  ...server.destinations.map((destination): LbOp => ({ op: "destination.add", server, destination })),
];

/** New tasks before old ones get less or nothing, so that there is always one that takes connections. */
function diffDestinations(old: VirtualServer, server: VirtualServer, changes: LbOp[], leaving: LbOp[]): void {
  const there = new Map(old.destinations.map((d) => [d.address, d]));
  const less: LbOp[] = [];
  for (const destination of server.destinations) {
    const before = there.get(destination.address);
    there.delete(destination.address);
    if (before === undefined) changes.push({ op: "destination.add", server, destination });
    else if (before.weight !== destination.weight)
      (destination.weight > before.weight ? changes : less).push({ op: "destination.change", server, destination });
  }
  changes.push(...less);
  for (const destination of there.values()) leaving.push({ op: "destination.remove", server, destination });
}

/** Same but for scheduler, affinity and destinations, which can be changed in place. */
function sameIdentity(a: VirtualServer, b: VirtualServer): boolean {
  return (
    a.vip === b.vip &&
    a.mark === b.mark &&
    a.from === b.from &&
    a.forwarding === b.forwarding &&
    a.keepSource === b.keepSource &&
    (a.only === undefined) === (b.only === undefined) &&
    samePorts(a.only, b.only) &&
    samePorts(a.ports, b.ports)
  );
}

/** The state with everything sorted and nothing that is not in its type: equal states are deeply equal, and print equal. */
export function normal(state: LbState): LbState {
  return {
    addresses: sorted(state.addresses, ({ address, device }) => ({ address, device })),
    servers: sorted(state.servers, normalServer),
    snats: sorted(state.snats, ({ subnet, to }) => ({ subnet, to })),
    redirects: sorted(state.redirects, ({ address, protocol, published, target }) => ({
      address,
      protocol,
      published,
      target,
    })),
    published: sorted(state.published, ({ protocol, port, last, to, toPort, bridge, sources }) => ({
      ...{ protocol, port, to, toPort, bridge },
      ...(last !== undefined && { last }),
      ...(sources && { sources: [...sources].sort() }),
    })),
    sysctls: Object.fromEntries(sorted(Object.entries(state.sysctls), (entry) => entry)),
  };
}

const normalServer = (s: VirtualServer): VirtualServer => ({
  key: s.key,
  vip: s.vip,
  mark: s.mark,
  from: s.from,
  ports: sorted(s.ports, normalRange),
  ...(s.only && { only: sorted(s.only, normalRange) }),
  scheduler: s.scheduler,
  affinity: s.affinity,
  forwarding: s.forwarding,
  ...(s.keepSource && { keepSource: s.keepSource }),
  destinations: sorted(s.destinations, ({ address, weight }) => ({ address, weight })),
});

const normalRange = ({ protocol, port, last }: PortRange): PortRange => ({
  protocol,
  port,
  ...(last !== undefined && { last }),
});

/** Copies, ordered by their text: their first member decides, it is what they are known by. */
function sorted<T>(entries: readonly T[], copy: (entry: T) => T): T[] {
  return entries
    .map((entry) => copy(entry))
    .map((entry) => [JSON.stringify(entry), entry] as const)
    .sort(([a], [b]) => (a < b ? -1 : Number(a > b)))
    .map(([, entry]) => entry);
}
