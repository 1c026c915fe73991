/** Balancing state from what the kernel's tools print. Pure. */

import type { Protocol, Scheduler } from "../../../model/types.ts";
import type { IpvsDestination, IpvsService } from "../../../os/ipvs.ts";
import type { Destination, LbState, LocalAddress, PublishedPort, Redirect, Snat, VirtualServer } from "../../types.ts";
import { type Family, host, isIdle } from "./chain.ts";
import type { Interfaces } from "./interfaces.ts";
import { balancedHere, CHAINS, isReal } from "./rules.ts";
import { addressOf, type Rule, rulesOf, type Saved } from "./saved.ts";

/** Everything that says what is ours in a namespace, and whether it is in force. */
export interface Kernel extends Interfaces {
  readonly saved: Readonly<Record<Family, Saved>>;
  readonly services: readonly IpvsService[];
  readonly destinations: ReadonlyMap<number, readonly IpvsDestination[]>;
}

const FAMILIES = [4, 6] as const;

export function stateOf(kernel: Kernel): Omit<LbState, "sysctls"> {
  const each = <T>(get: (saved: Saved, family: Family) => T[]): T[] => FAMILIES.flatMap((f) => get(kernel.saved[f], f));
  const servers = each((saved, family) => serversOf(saved, family, kernel));
  const state = { servers, snats: each(snatsOf), redirects: each(redirectsOf), published: each(publishedOf) };
  return { ...state, addresses: each((saved, family) => addressesOf(saved, family, servers, kernel)) };
}

function serversOf(saved: Saved, family: Family, { services, destinations }: Kernel): VirtualServer[] {
  const local = rulesOf(saved, CHAINS.LOCAL, family);
  const arriving = rulesOf(saved, CHAINS.ARRIVING, family).filter((rule) => !rule.has("--dport"));
  const published = rulesOf(saved, CHAINS.PUBLISHED, family);
  const refused = new Set(rulesOf(saved, CHAINS.REFUSE, family).map((rule) => markOf(rule.get("--mark"))));
  const denied = new Set(rulesOf(saved, CHAINS.DENY, family).map((rule) => markOf(rule.get("--mark"))));
  const unserved = new Set(local.filter((rule) => rule.has("--tcp-flags")).map((rule) => addressOf(rule.get("-d"))));
  const kept = new Set(rulesOf(saved, CHAINS.SNAT, family).map((rule) => markOf(rule.get("--mark"))));
  const ports = new Map<string, VirtualServer["ports"]>();
  for (const rule of published) ports.set(comment(rule), [...(ports.get(comment(rule)) ?? []), portOf(rule)]);
  const marked = new Set(arriving.map(comment));
  const byMark = new Map(services.filter((s) => s.family === family).map((s) => [s.mark, s]));
  const byNote = new Map([...published, ...arriving, ...local].map((rule) => [comment(rule), rule]));
  byNote.delete(""); // rules that only go with another
  return [...byNote].map(([note, rule]): VirtualServer => {
    const [key = "", from = "", forwarding = "", noted = "", keep] = note.split(" ");
    const mark = markOf(rule.get("--set-xmark"));
    const vip = from === "published" ? noted : addressOf(rule.get("-d"));
    const service = byMark.get(mark);
    const list = (destinations.get(mark) ?? []).map(destinationOf);
    const idle = isIdle({ destinations: list });
    const whole =
      (keep !== undefined ? kept.has(mark) : from !== "published" || marked.has(note)) &&
      (from === "local" ? denied.has(mark) && unserved.has(vip) === idle : refused.has(mark) === idle);
    return {
      key: decodeURI(key),
      vip,
      mark,
      from: from as VirtualServer["from"],
      ports: ports.get(note) ?? [],
      scheduler: (service?.scheduler ?? "rr") as Scheduler,
      affinity: service !== undefined && whole ? service.affinity : NOT_WHOLE,
      forwarding: forwarding as VirtualServer["forwarding"],
      ...(keep !== undefined && { keepSource: true as const }),
      destinations: list,
    };
  });
}

/** Affinity of what is left of a server after an interruption: never what is wanted, so that it is changed or removed. */
const NOT_WHOLE = -1;

const destinationOf = ({ address, weight }: IpvsDestination): Destination => ({ address, weight });

const comment = (rule: Rule): string => rule.get("--comment") ?? "";

/** "0x100/0xffffffff" or "0x100". */
const markOf = (text: string | undefined): number => Number.parseInt((text ?? "").split("/")[0] ?? "", 16);

const portOf = (rule: Rule) => ({ protocol: rule.get("-p") as Protocol, port: Number(rule.get("--dport")) });

function snatsOf(saved: Saved, family: Family): Snat[] {
  return rulesOf(saved, CHAINS.SNAT, family).flatMap((rule) => {
    const to = rule.get("--to-source");
    return to === undefined || !rule.has("--ipvs") ? [] : [{ subnet: addressOf(rule.get("-d")), to: addressOf(to) }];
  });
}

function redirectsOf(saved: Saved, family: Family): Redirect[] {
  return rulesOf(saved, CHAINS.REDIRECT, family).map((rule) => {
    const { protocol, port } = portOf(rule);
    return { address: addressOf(rule.get("-d")), protocol, published: port, target: Number(rule.get("--to-ports")) };
  });
}

/** Those that are led on, let through, and masqueraded if they are local. */
function publishedOf(saved: Saved, family: Family): PublishedPort[] {
  const masquerades = rulesOf(saved, CHAINS.MASQUERADE, family);
  const masqueraded = (bridge: string): boolean =>
    ["--src-type", "--mark"].every((way) => masquerades.some((rule) => rule.get("-o") === bridge && rule.has(way)));
  const passes = rulesOf(saved, CHAINS.PASS, family);
  const way = (rule: Rule) =>
    `${rule.get("-p")} ${addressOf(rule.get("-d") ?? rule.get("-s"))} ${rule.get("--dport") ?? rule.get("--sport")}`;
  const there = new Set(passes.filter((rule) => rule.has("--dport")).map(way));
  const back = new Set(passes.filter((rule) => rule.has("--sport")).map(way));
  const rules = rulesOf(saved, CHAINS.INGRESS, family);
  const hairpins = new Set(
    rules.filter((r) => r.get("-j") === "CONNMARK").map((r) => `${r.get("-i")} ${r.get("-p")} ${r.get("--dport")}`),
  );
  return rules
    .filter((rule) => rule.has("--to-destination"))
    .flatMap((rule) => {
      const [, address = "", toPort = ""] = /^\[?(.*?)\]?:(\d+)$/.exec(rule.get("--to-destination") ?? "") ?? [];
      const to = addressOf(address);
      const { protocol, port } = portOf(rule);
      const bridge = rule.get("--comment") ?? "";
      const needed = `${protocol} ${to} ${toPort}`;
      if (!hairpins.has(`${bridge} ${protocol} ${port}`)) return [];
      if (!there.has(needed) || !back.has(needed) || !masqueraded(bridge)) return [];
      return [{ protocol, port, to, toPort: Number(toPort), bridge }];
    });
}

/** Noted as ours, and there: on the interface, or as what isReal says instead. */
function addressesOf(saved: Saved, family: Family, servers: VirtualServer[], kernel: Kernel): LocalAddress[] {
  const pinged = new Set(rulesOf(saved, CHAINS.PING, family).map((rule) => addressOf(rule.get("-d"))));
  const own = ownAddresses(kernel.addresses);
  const balanced = balancedHere(servers);
  const reached = ({ vip, destinations }: VirtualServer): boolean => {
    const self = destinations.find(({ address }) => own.has(address));
    return self === undefined || kernel.selfRoutes.has(`${vip} ${self.address}`);
  };
  const unreached = new Set(servers.filter((s) => s.from === "local" && !reached(s)).map((s) => s.vip));
  return rulesOf(saved, CHAINS.ADDRESSES, family).flatMap((rule) => {
    const found = { address: addressOf(rule.get("-d")), device: rule.get("--comment") ?? "" };
    const there = isReal(balanced, found)
      ? kernel.addresses.has(`${host(found.address)} ${found.device}`)
      : pinged.has(found.address) && !unreached.has(found.address);
    return there ? [found] : [];
  });
}

const ownAddresses = (addresses: ReadonlySet<string>): Set<string> =>
  new Set([...addresses].map((entry) => entry.slice(0, entry.indexOf("/"))));
