/** Balancing state from what the kernel and its tools say. Pure. */

import { familyOf } from "../../../model/address.ts";
import type { Protocol } from "../../../model/types.ts";
import type { IpvsDestination, IpvsService } from "../../../os/netlink/ipvs.ts";
import { occupies } from "../../diff.ts";
import { lastOf, numbersText, portText } from "../../port-ranges.ts";
import type {
  Destination,
  LbState,
  LocalAddress,
  PortRange,
  PortRedirect,
  PublishedPort,
  Snat,
  VirtualServer,
} from "../../state.ts";
import {
  addressIn,
  affinity,
  device,
  distinct,
  foreign,
  mark,
  PROTOCOLS,
  port,
  rangeIn,
  SCHEDULERS,
  unlessForeign,
  weight,
  word,
} from "../common/typed.ts";
import { type Family, host, isIdle, UNSERVED } from "./chain.ts";
import type { Interfaces } from "./interfaces.ts";
import { placeIn, portsIn, type Rule } from "./rule.ts";
import { balancedHere, CHAINS, isReal } from "./rules.ts";
import { rulesOf, type Saved, writtenIn } from "./saved.ts";

/** Everything that says what is ours in a namespace, and whether it is in force. */
export interface Kernel extends Interfaces {
  readonly saved: Readonly<Record<Family, Saved>>;
  readonly services: readonly IpvsService[];
  readonly destinations: ReadonlyMap<number, readonly IpvsDestination[]>;
}

const FAMILIES = [4, 6] as const;

/** Published ports that are looked at one by one: more than a cluster has. */
const MOST = 100_000;

/** Undefined if there is something among it that we would not have written: then all of it is written anew. */
export function stateOf(kernel: Kernel): Omit<LbState, "sysctls"> | undefined {
  const each = <T>(get: (saved: Saved, family: Family) => T[]): T[] => FAMILIES.flatMap((f) => get(kernel.saved[f], f));
  if (FAMILIES.some((family) => kernel.saved[family].foreign)) return undefined;
  return unlessForeign(() => {
    const servers = each((saved, family) => serversOf(saved, family, kernel));
    distinct(servers.map(({ key }) => key));
    if (servers.flatMap(({ ports }) => ports).reduce((sum, p) => sum + lastOf(p) - p.port + 1, 0) > MOST) foreign();
    distinct(servers.flatMap(occupies));
    const state = { servers, snats: each(snatsOf), redirects: each(redirectsOf), published: each(publishedOf) };
    return { ...state, addresses: each((saved, family) => addressesOf(saved, family, servers, kernel)) };
  });
}

function serversOf(saved: Saved, family: Family, { services, destinations }: Kernel): VirtualServer[] {
  const local = rulesOf(saved, CHAINS.LOCAL, family);
  const arriving = rulesOf(saved, CHAINS.ARRIVING, family).filter((rule) => !isLate(rule));
  const published = rulesOf(saved, CHAINS.PUBLISHED, family);
  const marksIn = (rules: readonly Rule[]) => new Set(rules.map((rule) => hexOf(rule.get("--mark"))));
  const refused = marksIn(rulesOf(saved, CHAINS.REFUSE, family));
  const denied = marksIn(rulesOf(saved, CHAINS.DENY, family));
  const kept = marksIn(rulesOf(saved, CHAINS.SNAT, family));
  const unserved = new Set(local.filter((rule) => rule.has("--tcp-flags")).map((rule) => hostIn(family, rule)));
  const refusing = rulesOf(saved, CHAINS.UNDECLARED, family);
  const undeclared = PROTOCOLS.map((p) => marksIn(refusing.filter((rule) => rule.get("-p") === p)));
  const ports = portsByNote(published);
  const declared = portsByNote([...local, ...arriving].filter((rule) => rule.has("--dport")));
  const marked = new Set(arriving.map(noteOf));
  const byMark = new Map(services.filter((s) => s.family === family).map((s) => [s.mark, s]));
  const byNote = rulesByNote([...published, ...arriving, ...local]);
  const closed = closedIn([...arriving, ...local]);
  return [...byNote].map(([note, rule]): VirtualServer => {
    const { key, from, forwarding, vip, keepSource, limited } = told(note, family);
    if (from !== "published" && hostIn(family, rule) !== vip) foreign();
    const number = markIn(rule);
    const service = byMark.get(number);
    const list = (destinations.get(number) ?? []).filter((d) => familyOf(d.address) === family).map(destinationOf);
    const idle = isIdle({ destinations: list });
    const whole =
      (limited ? closed.has(note) && undeclared.every((marks) => marks.has(UNSERVED + number)) : plain(rule)) &&
      (keepSource ? kept.has(number) : from !== "published" || marked.has(note)) &&
      (from === "local" ? denied.has(number) && unserved.has(vip) === idle : refused.has(number) === idle);
    return {
      key,
      vip,
      mark: number,
      from,
      ports: ports.get(note) ?? [],
      ...(limited && { only: declared.get(note) ?? [] }),
      scheduler: service === undefined ? "rr" : word(service.scheduler, SCHEDULERS),
      affinity: service !== undefined && whole ? affinity(`${service.affinity}`) : NOT_WHOLE,
      forwarding,
      ...(keepSource && { keepSource }),
      destinations: list,
    };
  });
}

/** Affinity of what is left of a server after an interruption: never what is wanted, so that it is changed or removed. */
const NOT_WHOLE = -1;

function portsByNote(rules: readonly Rule[]): ReadonlyMap<string, readonly PortRange[]> {
  const ports = new Map<string, PortRange[]>();
  for (const rule of rules) {
    const there = ports.get(noteOf(rule));
    if (there === undefined) ports.set(noteOf(rule), [portOf(rule)]);
    else there.push(portOf(rule));
  }
  return ports;
}

/** One for each note, all of which set the same mark. */
function rulesByNote(rules: readonly Rule[]): ReadonlyMap<string, Rule> {
  const found = new Map<string, Rule>();
  for (const rule of rules) {
    const note = noteOf(rule);
    if (note === "") continue; // goes with another
    const other = found.get(note);
    if (other !== undefined && markIn(other) !== markIn(rule)) foreign();
    found.set(note, rule);
  }
  return found;
}

/** Notes of servers whose VIP gets a mark that IPVS does not know, before its ports get theirs. */
function closedIn(rules: readonly Rule[]): ReadonlySet<string> {
  const [seen, closed] = [new Set<string>(), new Set<string>()];
  for (const rule of rules) {
    const note = noteOf(rule);
    if (!seen.has(note) && !rule.has("--dport") && !plain(rule)) closed.add(note);
    seen.add(note);
  }
  return closed;
}

/** It sets a mark that IPVS knows. */
const plain = (rule: Rule): boolean => hexOf(rule.get("--set-xmark")) < UNSERVED;

/** Of a port that keeps its client's address, on a VIP that is shared. */
const isLate = (rule: Rule): boolean => rule.has("--dport") && noteOf(rule).endsWith(" keep-source");

/** The mark of the server, whether IPVS knows it or not. */
const markIn = (rule: Rule): number => mark(`${hexOf(rule.get("--set-xmark")) % UNSERVED}`);

type Told = Pick<VirtualServer, "key" | "from" | "forwarding" | "vip" | "keepSource"> & { readonly limited: boolean };

/** What `note` in chain.ts wrote. */
function told(note: string, family: Family): Told {
  const [key = "", from, forwarding, vip, kind] = note.split(" ");
  if (kind !== undefined && kind !== "keep-source" && kind !== "only") foreign();
  return {
    limited: kind === "only",
    key: decoded(key),
    from: word(from, ["local", "arriving", "published"] as const),
    forwarding: word(forwarding, ["masquerade", "direct"] as const),
    vip: addressIn(family, vip),
    ...(kind === "keep-source" && { keepSource: true as const }),
  };
}

function decoded(key: string): string {
  try {
    return decodeURI(key);
  } catch {
    return foreign();
  }
}

/** A port of its own is not what we put there. */
const destinationOf = ({ address, port, weight: found }: IpvsDestination): Destination =>
  port === 0 ? { address, weight: weight(`${found}`) } : foreign();

const noteOf = (rule: Rule): string => rule.get("--comment") ?? "";

/** "0x100/0xffffffff" or "0x100". */
const hexOf = (text: string | undefined): number => Number.parseInt(text ?? "", 16);

const portOf = (rule: Rule): PortRange => ({ protocol: protocolOf(rule), ...portsIn(rule.get("--dport")) });
const protocolOf = (rule: Rule): Protocol => word(rule.get("-p"), PROTOCOLS);

/** The one address of "-d 10.0.1.4/32". */
function hostIn(family: Family, rule: Rule, option = "-d"): string {
  const [address = "", length] = (rule.get(option) ?? "").split("/");
  return length === (family === 4 ? "32" : "128") ? addressIn(family, address) : foreign();
}

function snatsOf(saved: Saved, family: Family): Snat[] {
  return rulesOf(saved, CHAINS.SNAT, family)
    .filter((rule) => rule.has("--to-source"))
    .map((rule) => ({ subnet: rangeIn(family, rule.get("-d")), to: addressIn(family, rule.get("--to-source")) }));
}

function redirectsOf(saved: Saved, family: Family): PortRedirect[] {
  return rulesOf(saved, CHAINS.REDIRECT, family).map((rule) => {
    const [protocol, published] = [protocolOf(rule), port(rule.get("--dport"))];
    return { address: hostIn(family, rule), protocol, published, target: port(rule.get("--to-ports")) };
  });
}

/** Those that are led on, let through, masqueraded if they are local, and guarded. */
function publishedOf(saved: Saved, family: Family): PublishedPort[] {
  const masquerades = rulesOf(saved, CHAINS.MASQUERADE, family);
  const masqueraded = (bridge: string): boolean =>
    ["--src-type", "--mark"].every((way) => masquerades.some((rule) => rule.get("-o") === bridge && rule.has(way)));
  const guards = rulesOf(saved, CHAINS.GUARD, family);
  const guarded = (bridge: string): boolean =>
    family === 6 || ["-s", "-d"].every((way) => guards.some((rule) => rule.get("-i") === bridge && rule.has(way)));
  const passes = rulesOf(saved, CHAINS.PASS, family);
  const there = new Set(
    passes.filter((rule) => rule.has("--dport")).map((r) => `${r.get("-p")} ${hostIn(family, r)} ${r.get("--dport")}`),
  );
  const back = new Set(
    passes
      .filter((rule) => rule.has("--sport"))
      .map((r) => `${r.get("-p")} ${hostIn(family, r, "-s")} ${r.get("--sport")}`),
  );
  const sources = sourcesOf(saved, family);
  const rules = rulesOf(saved, CHAINS.INGRESS, family);
  const hairpins = new Set(
    rules.filter((r) => r.get("-j") === "CONNMARK").map((r) => `${r.get("-i")} ${r.get("-p")} ${r.get("--dport")}`),
  );
  return rules
    .filter((rule) => rule.has("--to-destination"))
    .flatMap((rule) => {
      const range = portOf(rule);
      const { protocol, port, last } = range;
      const { address: to, port: toPort = last === undefined ? foreign() : port } = placeIn(
        family,
        rule.get("--to-destination"),
      );
      const bridge = device(noteOf(rule));
      const numbers = numbersText(range, ":");
      const needed = `${protocol} ${to} ${last === undefined ? toPort : numbers}`;
      if (!hairpins.has(`${bridge} ${protocol} ${numbers}`) || !guarded(bridge)) return [];
      if (!there.has(needed) || !back.has(needed) || !masqueraded(bridge)) return [];
      const from = sources.get(portText(range));
      return [{ ...range, to, toPort, bridge, ...(from && { sources: from }) }];
    });
}

/** Of each port that has them; it has none if nothing ends in a drop. */
function sourcesOf(saved: Saved, family: Family): ReadonlyMap<string, readonly string[]> {
  const allowed = new Map<string, string[]>();
  const limited = new Map<string, readonly string[]>();
  for (const rule of rulesOf(saved, CHAINS.SOURCES, family)) {
    const port = portText(portOf(rule));
    const ranges = allowed.get(port) ?? [];
    allowed.set(port, ranges);
    if (limited.has(port)) return foreign(); // behind the drop
    if (rule.has("-s")) ranges.push(rangeIn(family, rule.get("-s")));
    else limited.set(port, ranges);
  }
  return limited;
}

/** Noted as ours, and there: on the interface, or as what isReal says instead. */
function addressesOf(saved: Saved, family: Family, servers: VirtualServer[], kernel: Kernel): LocalAddress[] {
  const pinged = new Set(rulesOf(saved, CHAINS.PING, family).map((rule) => hostIn(family, rule)));
  const own = ownAddresses(kernel.addresses);
  const balanced = balancedHere(servers);
  const reached = ({ vip, destinations }: VirtualServer): boolean => {
    const self = destinations.find(({ address }) => own.has(address));
    return self === undefined || kernel.selfRoutes.has(`${vip} ${self.address}`);
  };
  const unreached = new Set(servers.filter((s) => s.from === "local" && !reached(s)).map((s) => s.vip));
  const all = rulesOf(saved, CHAINS.ADDRESSES, family).map((rule) => noted(rule, family));
  return all.filter((found) =>
    isReal(balanced, found)
      ? kernel.addresses.has(`${host(found.address)} ${found.device}`)
      : pinged.has(found.address) && !unreached.has(found.address),
  );
}

/** Those that are ours, there or not; what is of another form is not. */
export const notedAddresses = (saved: Saved, family: Family): LocalAddress[] =>
  writtenIn(saved, CHAINS.ADDRESSES).flatMap((rule) => unlessForeign(() => noted(rule, family)) ?? []);

const noted = (rule: Rule, family: Family): LocalAddress => ({
  address: hostIn(family, rule),
  device: device(noteOf(rule)),
});

/** VIPs that this namespace's own connections are balanced for, in force or not. */
export const notedVips = (saved: Saved, family: Family): string[] =>
  writtenIn(saved, CHAINS.LOCAL).flatMap((rule) => unlessForeign(() => hostIn(family, rule)) ?? []);

const ownAddresses = (addresses: ReadonlySet<string>): Set<string> =>
  new Set([...addresses].map((entry) => entry.slice(0, entry.indexOf("/"))));
