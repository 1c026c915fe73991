/** The steps from one state to another. Pure. */
import { changed, withoutCommon } from "./changed.ts";
import { entryKey, occupies, samePublished } from "./entries.ts";
import { inTheWay, samePorts } from "./port-ranges.ts";
import type { Destination, LbOp, LbState, PublishedPort, VirtualServer } from "./state.ts";

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
  const { added: ports, removed: portsGone } = published;
  const shared = portsGone.length === 0 ? NO_PORTS : new Set(inTheWay(portsGone, ports)); // ranges with another beginning
  const ops: LbOp[] = [];
  if (actual.sysctls !== desired.sysctls)
    for (const [key, value] of Object.entries(desired.sysctls))
      if (actual.sysctls[key] !== value) ops.push({ op: "sysctl.set", key, value });
  for (const snat of snats.replaced) ops.push({ op: "snat.remove", snat });
  for (const snat of snats.added) ops.push({ op: "snat.add", snat });
  for (const op of servers.install) ops.push(op); // not all at once: there may be more than a call takes
  for (const address of addresses.added) ops.push({ op: "address.add", address });
  for (const redirect of redirects.replaced) ops.push({ op: "redirect.remove", redirect });
  for (const redirect of redirects.added) ops.push({ op: "redirect.add", redirect });
  for (const port of published.replaced) ops.push({ op: "published.remove", published: port });
  for (const port of shared) ops.push({ op: "published.remove", published: port });
  for (const port of ports) ops.push({ op: "published.add", published: port });

  for (const port of portsGone) if (!shared.has(port)) ops.push({ op: "published.remove", published: port });
  for (const redirect of redirects.removed) ops.push({ op: "redirect.remove", redirect });
  for (const op of servers.remove) ops.push(op);
  for (const address of addresses.removed) ops.push({ op: "address.remove", address });
  for (const snat of snats.removed) ops.push({ op: "snat.remove", snat });
  return ops;
}

const NO_PORTS: ReadonlySet<PublishedPort> = new Set();

/** The same lists, whatever is in them: of one planner's plans, that nothing was changed between them. Others may be equal, too. */
export function isSame(a: LbState, b: LbState): boolean {
  if (a === b) return true;
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

/** Servers that a plan did not change are the very same objects as before (plan/planner.ts), so they are left out. */
function diffServers(actual: readonly VirtualServer[], desired: readonly VirtualServer[]) {
  const [olds, news] = withoutCommon(actual, desired);
  const there = new Map<string, VirtualServer>();
  for (const server of olds) there.set(server.key, server);
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
  if (added.length === 0 && there.size === 0) return { install: changes, remove: leaving };
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
  const from = alike(old.destinations, server.destinations);
  const there = new Map<string, Destination>();
  for (const destination of old.destinations.slice(from)) there.set(destination.address, destination);
  const less: LbOp[] = [];
  for (const destination of server.destinations.slice(from)) {
    const before = there.get(destination.address);
    there.delete(destination.address);
    if (before === undefined) changes.push({ op: "destination.add", server, destination });
    else if (before.weight !== destination.weight)
      (destination.weight > before.weight ? changes : less).push({ op: "destination.change", server, destination });
  }
  changes.push(...less);
  for (const destination of there.values()) leaving.push({ op: "destination.remove", server, destination });
}

/** So many at the beginning stay as they are: mostly all that there were. */
function alike(old: readonly Destination[], now: readonly Destination[]): number {
  let n = 0;
  while (n < old.length && old[n]!.address === now[n]?.address && old[n]!.weight === now[n]!.weight) n++;
  return n;
}

/** Same but for scheduler, affinity and destinations, which can be changed in place. */
export function sameIdentity(a: VirtualServer, b: VirtualServer): boolean {
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
