/**
 * Which names one object lays claim to, computed from that object (and its service) alone. The whole rule book of
 * docker-style names is here; combining the claims of many objects is compile's business.
 */
import { addressBytes, reverseKey } from "../model/address.ts";
import { answering, containerAnswers } from "../model/answering.ts";
import { isServable, nameKey, nameLabels } from "../model/name.ts";
import type {
  Container,
  Endpoint,
  Network,
  NetworkId,
  Port,
  ReadonlyState,
  Service,
  ServiceNetwork,
  Task,
} from "../model/types.ts";
import { TYPE_A, TYPE_AAAA, TYPE_PTR, TYPE_SRV, TYPE_TXT } from "../wire/constants.ts";
import { nameRdata, type RRSet, rrset, srvRdata, txtRdata } from "../wire/rrset.ts";
import { type Policy, ttlOf } from "./policy.ts";

/** What a claimant says of all the names in `keys` on one network. No records: the name exists and has none. */
export interface Claim {
  readonly network: NetworkId;
  readonly keys: readonly string[];
  /** At most one set a type; where several claim a name, compile joins them. */
  readonly records: readonly RRSet[];
  /** The names are a service's: names below them are ours. */
  readonly service: boolean;
}

/** Networks that carry traffic but give no names, as in Docker: the routing mesh and the default bridge. */
export const hasNames = (network: Network): boolean => !network.ingress && !network.defaultBridge;

/** `web`, its aliases and `tasks.web` exist as long as the service does; in vip mode `web` is the VIP. */
export function serviceClaims(service: Service, state: ReadonlyState, policy: Policy): Claim[] {
  const claims: Claim[] = [];
  for (const attachment of service.networks) {
    const network = state.networks.get(attachment.network);
    if (network === undefined || !hasNames(network)) continue;
    const { own, shared } = keysOf(service, attachment);
    const claim = (keys: readonly string[], records: readonly RRSet[], isService = false) =>
      claims.push({ network: network.id, keys, records, service: isService });
    const ttl = ttlOf(policy, "stable", network, service);
    const vip = service.mode === "vip" ? addressRecords(attachment.vip4, attachment.vip6, ttl) : [];
    claim(own, [...vip, txt(ttl, serviceFacts(service))], true);
    claim(shared, []);
    if (service.ports.length > 0) claim(aboveSrv(service, attachment), []);
    if (service.mode === "vip") {
      claims.push(...reverseClaims(vip, service.name, network, ttl));
      claims.push(...srvClaims(service, attachment, network, service.name, ttl));
    } else for (const [keys] of srvKeys(service, attachment)) claim(keys, []);
  }
  return claims;
}

/**
 * A task's own names, and its share of `tasks.web` (and of `web` in dnsrr mode). Nothing until it may answer. No TXT here:
 * at 100 000 tasks it would cost more memory than the addresses.
 */
export function taskClaims(task: Task, state: ReadonlyState, policy: Policy): Claim[] {
  const service = state.services.get(task.service);
  if (service === undefined || !answering(task, service)) return [];
  const claims: Claim[] = [];
  const name = taskName(task, service);
  for (const endpoint of task.endpoints) {
    const network = state.networks.get(endpoint.network);
    const attachment = service.networks.find((n) => n.network === endpoint.network);
    if (network === undefined || attachment === undefined || !hasNames(network)) continue;
    const ttl = ttlOf(policy, "dynamic", network, service);
    const records = addressRecords(endpoint.ip4, endpoint.ip6, ttl);
    const own = [name, `${task.slot ?? task.node}.${service.name}`, ...endpoint.aliases, ...memberNames(task, policy)];
    claims.push({ network: network.id, keys: unique(own), records, service: false });
    claims.push(...reverseClaims(records, name, network, ttl));
    claims.push({ network: network.id, keys: keysOf(service, attachment).shared, records, service: false });
    if (service.mode === "dnsrr") claims.push(...srvClaims(service, attachment, network, name, ttl));
  }
  return claims.slice(); // a grown array keeps room for 17: at 100 000 tasks that is 13 MB of nothing
}

/**
 * A container's name, aliases, short id and (if asked for) hostname on each of its networks. An id that was not given is the name,
 * and the beginning of a name is nobody's.
 */
export function containerClaims(container: Container, state: ReadonlyState, policy: Policy): Claim[] {
  if (!containerAnswers(container)) return [];
  const claims: Claim[] = [];
  for (const endpoint of container.endpoints) {
    const network = state.networks.get(endpoint.network);
    if (network === undefined || !hasNames(network)) continue;
    const ttl = ttlOf(policy, "dynamic", network);
    const own = [
      container.name,
      ...endpoint.aliases,
      ...memberNames(container.id === container.name ? container : { ...container, containerId: container.id }, policy),
    ];
    const records = addressRecords(endpoint.ip4, endpoint.ip6, ttl);
    const facts = { ...container.labels, container: container.name };
    claims.push({ network: network.id, keys: unique(own), records: [...records, txt(ttl, facts)], service: false });
    claims.push(...reverseClaims(records, container.name, network, ttl));
  }
  return claims;
}

/** `web.1.<task id>`; a global service's tasks are told apart by node: `web.<node>.<task id>`. */
export const taskName = (task: Task, service: Service): string =>
  `${service.name}.${task.slot ?? task.node}.${task.id}`;

/** The names a container has by being one: the first 12 characters of its id, and its hostname where wanted. */
function memberNames(member: { containerId?: string; hostname?: string }, policy: Policy): string[] {
  const names = (member.containerId?.length ?? 0) >= 12 ? [member.containerId!.slice(0, 12)] : [];
  if (member.hostname !== undefined && (policy.hostnames || policy.compat === "docker")) names.push(member.hostname);
  return names;
}

/** The keys of a service's names and of what its tasks share: `tasks.` in front, in dnsrr mode the names themselves too. */
function keysOf(service: Service, attachment: ServiceNetwork): Keys {
  const known = keyCache.get(attachment);
  if (known !== undefined && known.of === service) return known;
  const names = [service.name, ...attachment.aliases];
  const own = unique(names);
  const tasks = unique(names.map((n) => `tasks.${n}`));
  const keys = { of: service, own, shared: service.mode === "dnsrr" ? [...tasks, ...own] : tasks };
  keyCache.set(attachment, keys);
  return keys;
}

interface Keys {
  readonly of: Service;
  readonly own: readonly string[];
  readonly shared: readonly string[];
}

/** A service's tasks hold the same keys a hundred thousand times over; they hold one copy. */
const keyCache = new WeakMap<ServiceNetwork, Keys>();

function addressRecords(ip4: Endpoint["ip4"], ip6: Endpoint["ip6"], ttl: number): RRSet[] {
  const records: RRSet[] = [];
  if (ip4 !== undefined) records.push(rrset(TYPE_A, ttl, [addressBytes(ip4)!]));
  if (ip6 !== undefined) records.push(rrset(TYPE_AAAA, ttl, [addressBytes(ip6)!]));
  return records;
}

/** A PTR for each of the addresses among `records`. */
function reverseClaims(records: readonly RRSet[], name: string, network: Network, ttl: number): Claim[] {
  const target = targetName(name, network);
  if (target === undefined) return [];
  const ptr = [rrset(TYPE_PTR, ttl, [nameRdata(nameLabels(target))])];
  return records.map(({ data }) => ({ network: network.id, keys: [reverseKey(data)], records: ptr, service: false }));
}

/** What records that lead to `name` on the network say: `name.network`, or the name alone if the network's has no form in DNS. */
const targetName = (name: string, network: Network): string | undefined =>
  [`${name}.${network.name}`, name].find(isServable);

/** SRV for each port of the service, leading to `target` on the network. */
function srvClaims(
  service: Service,
  attachment: ServiceNetwork,
  network: Network,
  target: string,
  ttl: number,
): Claim[] {
  const name = targetName(target, network);
  if (name === undefined) return [];
  const rdata = nameKey(name);
  return srvKeys(service, attachment).map(([keys, ports]) => ({
    network: network.id,
    keys,
    records: [
      rrset(
        TYPE_SRV,
        ttl,
        ports.map((p) => srvRdata(0, 0, p, rdata)),
      ),
    ],
    service: false,
  }));
}

/** `_http._tcp.web` by name and by number of a port, `_web._tcp` for all ports of that protocol; with the targets' ports. */
function srvKeys(service: Service, { aliases }: ServiceNetwork): [keys: string[], ports: number[]][] {
  const names = [service.name, ...aliases];
  const found = new Map<string, Set<number>>();
  const add = (label: string, { target }: Port) => found.set(label, (found.get(label) ?? new Set()).add(target));
  for (const port of service.ports) {
    for (const label of [port.name, port.target, port.published || undefined]) {
      if (label !== undefined) add(`_${label}._${port.protocol}.*`, port);
    }
    add(`_*._${port.protocol}`, port);
  }
  return [...found].map(([label, ports]) => [unique(names.map((n) => label.replace("*", n))), [...ports]]);
}

/** The names above SRV names: `_tcp.web` and `_tcp` exist, since NXDOMAIN for them would deny what is below, too (RFC 8020). */
function aboveSrv({ name, ports }: Service, { aliases }: ServiceNetwork): string[] {
  const protocols = ports.map((p) => `_${p.protocol}`);
  return unique(protocols.flatMap((p) => [p, ...[name, ...aliases].map((n) => `${p}.${n}`)]));
}

const serviceFacts = (service: Service): Record<string, string> => ({
  ...service.labels,
  service: service.name,
  id: service.id,
  mode: service.mode,
});

/** RFC 1464 strings, `key=value`, in order of key; what is too much for one record (64 KiB) is left out. */
function txt(ttl: number, facts: Readonly<Record<string, string>>): RRSet {
  let room = 65_535;
  const pieces: string[] = [];
  for (const key of Object.keys(facts).sort()) {
    const rdata = txtRdata([`${key}=${facts[key]}`]);
    if (rdata.length > room) continue;
    room -= rdata.length;
    pieces.push(rdata);
  }
  return rrset(TYPE_TXT, ttl, [pieces.join("")]);
}

/** Keys, each once, of those names that DNS has a form for. */
const unique = (names: readonly string[]): string[] => [...new Set(names.filter(isServable).map(nameKey))];
