/** What a batch asks for by name: nobody else in it is given that, whoever comes first. */
import { canonicalAddress, parseCidr } from "../model/address.ts";
import type { Given } from "../model/change.ts";
import type { Endpoint, Network, Service } from "../model/types.ts";
import { spokenAddress } from "./address-pool.ts";
import { portKey } from "./port-pool.ts";
import { Ranges } from "./ranges.ts";

export function subnetsOf(changes: readonly Given[]): Ranges {
  const found = new Ranges();
  for (const change of changes) {
    if (change.kind !== "network.put" && change.kind !== "network.patch") continue;
    for (const { cidr } of asking(change).subnets ?? []) {
      const parsed = parseCidr(cidr);
      if (parsed !== undefined) found.cover(parsed);
    }
  }
  return found;
}

/** Addresses and ports, as `Taking.spoken` writes them. */
export function spokenFor(changes: readonly Given[]): Set<string> {
  const spoken = new Set<string>();
  if (changes.length < 2 && !changes[0]?.kind.startsWith("service.")) return spoken; // nobody else who could be given it
  const add = (network: string, address: string | undefined): void => {
    if (address !== undefined) spoken.add(spokenAddress(network, canonicalAddress(address) ?? address));
  };
  for (const change of changes) {
    const { endpoints, networks, mesh, ports } = asking(change);
    for (const { network, ip4, ip6 } of endpoints ?? []) {
      add(network, ip4);
      add(network, ip6);
    }
    for (const { network, vip4, vip6 } of [...(networks ?? []), ...(mesh ? [mesh] : [])]) {
      add(network, vip4);
      add(network, vip6);
    }
    for (const { published, protocol } of ports ?? []) if (published) spoken.add(portKey(published, protocol));
  }
  return spoken;
}

/** The fields of any kind of object that can ask for something. */
interface Asking extends Partial<Pick<Network, "subnets"> & Pick<Service, "networks" | "ports" | "mesh">> {
  readonly endpoints?: readonly Endpoint[];
}

/** What a change puts, or puts in its place; null, which a patch may have, asks for as little as nothing does. */
function asking(change: Given): Asking {
  switch (change.kind) {
    case "network.put":
      return change.network;
    case "service.put":
      return change.service;
    case "task.put":
      return change.task;
    case "container.put":
      return change.container;
    case "network.patch":
    case "service.patch":
    case "task.patch":
    case "container.patch":
      return change.patch;
    default:
      return NOTHING;
  }
}

const NOTHING: Asking = {};
