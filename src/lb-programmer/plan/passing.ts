/** A namespace that others' connections pass through: it forwards, and tasks see it as their client. */
import { familyOf } from "../../model/address.ts";
import type { NetworkId, ReadonlyState } from "../../model/types.ts";
import {
  EMPTY,
  type IngressTarget,
  type LbState,
  type NetworkTarget,
  type Snat,
  type VirtualServer,
} from "../state.ts";
import type { Balanced } from "./balanced.ts";
import type { PlanContext } from "./context.ts";

/** These servers in a namespace of their own: their VIPs are its addresses, and their connections leave with its address as source. */
export function planPassing(
  state: ReadonlyState,
  target: NetworkTarget | IngressTarget,
  balanced: Balanced,
  context: PlanContext,
): LbState {
  const servers = balanced.servers.list(state);
  const addresses = balanced.addresses.list(state);
  const vips = addresses.map(({ address }) => address);
  return {
    ...EMPTY,
    addresses,
    servers,
    snats: snatsOf(state, target.network, servers, target),
    sysctls: { ...forwardingFor(vips, target.device), ...sysctlsFor(servers, context) },
  };
}

/** Sysctls of a namespace that balances; none as long as it has no servers. */
export const sysctlsFor = (servers: readonly VirtualServer[], { sysctls }: PlanContext) =>
  servers.length === 0 ? {} : sysctls;

/**
 * A namespace through which connections to these addresses pass on to others: the kernel must forward in their families. Where
 * they leave by the `device` that they came in by, it must not tell clients to go there directly (ICMP redirects; and those
 * count against the limit for errors that clients do need). Redirects of IPv6 have no switch: there the errors are taken out
 * of the limit (ip-sysctl.rst, icmp/ratemask: the types that are limited; 1 is "unreachable", 2, "too big", never was).
 */
export function forwardingFor(addresses: readonly string[], device?: string): Readonly<Record<string, string>> {
  const four = addresses.some((a) => familyOf(a) === 4);
  const six = addresses.some((a) => familyOf(a) === 6);
  return {
    ...(four && { "net/ipv4/ip_forward": "1" }),
    ...(four && device && { "net/ipv4/conf/all/send_redirects": "0" }),
    ...(four && device && { [`net/ipv4/conf/${device}/send_redirects`]: "0" }),
    ...(six && { "net/ipv6/conf/all/forwarding": "1" }),
    ...(six && device && { "net/ipv6/icmp/ratemask": "0,3-127" }),
  };
}

/** Source rewriting: one entry for each range of the network, in the families in which a server needs it. */
function snatsOf(
  state: ReadonlyState,
  network: NetworkId,
  servers: readonly VirtualServer[],
  to: { readonly ip4?: string; readonly ip6?: string },
): Snat[] {
  const snats: Snat[] = [];
  for (const { cidr } of state.networks.get(network)?.subnets ?? []) {
    const family = familyOf(cidr);
    const address = family === 6 ? to.ip6 : to.ip4;
    const needed = servers.some((s) => !s.keepSource && familyOf(s.vip) === family);
    if (address !== undefined && needed) snats.push({ subnet: cidr, to: address });
  }
  return snats;
}
