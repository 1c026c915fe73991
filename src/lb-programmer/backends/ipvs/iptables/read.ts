/** Balancing state from what the kernel and its tools say. Pure. */
import { occupies } from "../../../entries.ts";
import { countOf } from "../../../port-ranges.ts";
import type { LbState, LocalAddress, PortRedirect, Snat, VirtualServer } from "../../../state.ts";
import { addressIn, device, distinct, foreign, MOST_PORTS, port, rangeIn, unlessForeign } from "../../common/typed.ts";
import { unreachedVips } from "../addresses.ts";
import type { Balanced } from "../balanced.ts";
import type { Interfaces } from "../interfaces.ts";
import type { Family } from "../server.ts";
import { host } from "./chain.ts";
import { publishedOf } from "./read-published.ts";
import { serversOf } from "./read-servers.ts";
import { hostIn, noteOf, protocolOf, type Rule } from "./rule.ts";
import { balancedHere, CHAINS, isReal } from "./rules.ts";
import { rulesOf, type Saved, writtenIn } from "./saved.ts";

/** Everything that says what is ours in a namespace, and whether it is in force. */
export interface Kernel extends Interfaces, Balanced {
  readonly saved: Readonly<Record<Family, Saved>>;
}

const FAMILIES = [4, 6] as const;

/** Undefined if there is something among it that we would not have written: then all of it is written anew. */
export function stateOf(kernel: Kernel): Omit<LbState, "sysctls"> | undefined {
  const each = <T>(get: (saved: Saved, family: Family) => T[]): T[] => FAMILIES.flatMap((f) => get(kernel.saved[f], f));
  if (FAMILIES.some((family) => kernel.saved[family].foreign)) return undefined;
  return unlessForeign(() => {
    const servers = each((saved, family) => serversOf(saved, family, kernel));
    distinct(servers.map(({ key }) => key));
    if (countOf(servers.flatMap(({ ports }) => ports)) > MOST_PORTS) foreign();
    distinct(servers.flatMap(occupies));
    const state = { servers, snats: each(snatsOf), redirects: each(redirectsOf), published: each(publishedOf) };
    return { ...state, addresses: each((saved, family) => addressesOf(saved, family, servers, kernel)) };
  });
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

/** Noted as ours, and there: on the interface, or as what isReal says instead. */
function addressesOf(saved: Saved, family: Family, servers: VirtualServer[], kernel: Kernel): LocalAddress[] {
  const pinged = new Set(rulesOf(saved, CHAINS.PING, family).map((rule) => hostIn(family, rule)));
  const balanced = balancedHere(servers);
  const unreached = unreachedVips(servers, kernel);
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
