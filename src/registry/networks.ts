/** Networks come and go: names, subnets, gateways. */
import { addressText, type Cidr, canonicalAddress, cidrsOverlap, inCidr, parseCidr } from "../model/address.ts";
import type { Network, NetworkId, Subnet } from "../model/types.ts";
import { AddressPool, firstAddress } from "./address-pool.ts";
import { RegistryError } from "./error.ts";
import { checkNames, folded } from "./names.ts";
import type { Step } from "./reduce.ts";
import { same } from "./same.ts";
import type { State } from "./state.ts";

export function putNetwork({ state, undo, touched }: Step, given: Network): Network | undefined {
  const before = state.networks.get(given.id);
  const network = complete(state, given, before);
  if (same(before, network)) return undefined;
  check(state, network);
  if (before === undefined || !same(before.subnets, network.subnets)) {
    const users = usersOf(state, network.id);
    if (users.length > 0) throw inUse(`the subnets of network ${network.name} can't change`, users);
    undo.set(state.pools, network.id, new AddressPool(network));
  }
  if (before !== undefined) undo.delete(state.networkNames, folded(before.name));
  undo.set(state.networkNames, folded(network.name), network.id);
  undo.set(state.networks, network.id, network);
  touched.networks.add(network.id);
  return network;
}

export function removeNetwork({ state, undo, touched }: Step, id: NetworkId): boolean {
  const network = state.networks.get(id);
  if (network === undefined) return false;
  const users = usersOf(state, id);
  if (users.length > 0) throw inUse(`network ${network.name} can't be removed`, users);
  undo.delete(state.networks, id);
  undo.delete(state.pools, id);
  undo.delete(state.networkNames, folded(network.name));
  touched.networks.add(id);
  return true;
}

/** Subnet and gateways filled in, addresses in canonical form. */
function complete(state: State, network: Network, before: Network | undefined): Network {
  const given = network.subnets.length > 0 ? network.subnets : (before?.subnets ?? [freeSubnet(state)]);
  const subnets = given.map((subnet): Subnet => {
    const cidr = parseCidr(subnet.cidr);
    if (cidr === undefined)
      throw new RegistryError("invalid", `network ${network.name}: "${subnet.cidr}" is no subnet such as 10.0.1.0/24`);
    const gateway = subnet.gateway === undefined ? firstAddress(cidr) : canonicalAddress(subnet.gateway);
    if (gateway === undefined || !inCidr(cidr, gateway)) {
      throw new RegistryError(
        "invalid",
        `network ${network.name}: gateway ${subnet.gateway} is outside ${subnet.cidr}`,
      );
    }
    return { cidr: `${addressText(cidr.base)}/${cidr.bits}`, gateway };
  });
  return { ...network, subnets };
}

function check(state: State, network: Network): void {
  checkNames("network", [network.name]);
  const named = state.networkNames.get(folded(network.name));
  if (named !== undefined && named !== network.id) {
    throw new RegistryError("conflict", `network ${network.name}: there is a network of this name (${named})`);
  }
  const cidrs = network.subnets.map((s) => parseCidr(s.cidr)!);
  for (const [i, cidr] of cidrs.entries()) {
    if (cidrs.slice(0, i).some((other) => cidrsOverlap(cidr, other))) throw overlap(network, i, network);
  }
  for (const other of state.networks.values()) {
    if (other.id === network.id) continue;
    if (other.ingress && network.ingress) {
      throw new RegistryError(
        "conflict",
        `network ${network.name}: ingress network (${other.name}) is already present`,
      );
    }
    const theirs = other.subnets.map((s) => parseCidr(s.cidr)!);
    const i = cidrs.findIndex((c) => theirs.some((t) => cidrsOverlap(c, t)));
    if (i >= 0) throw overlap(network, i, other);
  }
}

const overlap = (network: Network, i: number, other: Network): RegistryError =>
  new RegistryError(
    "conflict",
    `network ${network.name}: subnet ${network.subnets[i]?.cidr} overlaps network ${other.name} (${other.subnets.map((s) => s.cidr).join(", ")})`,
  );

/** Docker's default pool for overlays: 10.0.0.0/8 in /24s, the first that overlaps nothing. */
function freeSubnet(state: State): Subnet {
  const used: Cidr[] = [...state.networks.values()].flatMap((n) => n.subnets.map((s) => parseCidr(s.cidr)!));
  for (let i = 0; i < 65_536; i++) {
    const cidr = `10.${i >> 8}.${i & 255}.0/24`;
    const parsed = parseCidr(cidr)!;
    if (!used.some((u) => cidrsOverlap(u, parsed))) return { cidr };
  }
  throw new RegistryError("exhausted", "no free /24 is left in 10.0.0.0/8 for another network");
}

/** Who is attached, as people would name them. */
function usersOf(state: State, id: NetworkId): string[] {
  const on = (list: readonly { network: NetworkId }[]) => list.some((e) => e.network === id);
  const services = [...state.services.values()].filter((s) => on(s.networks)).map((s) => `service ${s.name}`);
  const containers = [...state.containers.values()].filter((c) => on(c.endpoints)).map((c) => `container ${c.name}`);
  return [...services, ...containers];
}

const inUse = (what: string, users: readonly string[]): RegistryError => {
  const shown = users.slice(0, 5).join(", ") + (users.length > 5 ? ` and ${users.length - 5} more` : "");
  return new RegistryError("in-use", `${what} while it is in use by ${shown}`);
};
