/** Networks come and go: names, subnets, gateways. */
import { canonicalAddress, cidrsOverlap, cidrText, inCidr, parseCidr } from "../model/address.ts";
import { brief } from "../model/quote.ts";
import { same } from "../model/same.ts";
import type { Network, Subnet } from "../model/types.ts";
import { AddressPool, firstAddress, isReserved } from "./address-pool.ts";
import { RegistryError } from "./error.ts";
import { checkSpacedName, folded } from "./names.ts";
import { Ranges } from "./ranges.ts";
import type { State } from "./state.ts";
import type { Step } from "./step.ts";
import { checkedUpstreams } from "./upstreams.ts";

export function putNetwork(step: Step, given: Network): Network | undefined {
  const { state, undo, touched } = step;
  const before = state.networks.get(given.id);
  const network = complete(step, given, before);
  if (same(before, network)) return undefined;
  check(state, network);
  if (before === undefined || !same(before.subnets, network.subnets)) {
    if (before !== undefined) refuseIfUsed(state, before, "the subnets of network", "change", "subnets");
    if (before !== undefined) vacate(step, before);
    const pool = new AddressPool(network);
    undo.set(state.pools, network.id, pool);
    for (const cidr of pool.cidrs) {
      state.ranges.add(cidr, network.id);
      undo.push(() => state.ranges.remove(cidr));
    }
  }
  if (before !== undefined && before.ingress !== network.ingress)
    refuseIfUsed(state, before, "the role (ingress or not) of network", "change", "ingress");
  if (before !== undefined && before.name !== network.name) {
    undo.delete(state.networkNames, folded(before.name));
    state.pools.get(network.id)?.rename(network.name, undo);
  }
  undo.set(state.networkNames, folded(network.name), network.id);
  undo.set(state.networks, network.id, network);
  touched.networks.add(network.id);
  return network;
}

/** Throws if somebody is attached. */
export function releaseNetwork(step: Step, network: Network): void {
  const { state, undo } = step;
  refuseIfUsed(state, network, "network", "be removed");
  vacate(step, network);
  undo.delete(state.pools, network.id);
  undo.delete(state.networkNames, folded(network.name));
}

/** Its ranges are free again. */
function vacate({ state, undo }: Step, { id }: Network): void {
  for (const cidr of state.pools.get(id)!.cidrs) {
    state.ranges.remove(cidr);
    undo.push(() => state.ranges.add(cidr, id));
  }
}

/** Subnet and gateways filled in, addresses in canonical form. */
function complete(step: Step, network: Network, before: Network | undefined): Network {
  const given = network.subnets.length > 0 ? network.subnets : (before?.subnets ?? [freeSubnet(step)]);
  const subnets = given.map((subnet, i): Subnet => {
    const cidr = parseCidr(subnet.cidr);
    if (cidr === undefined)
      throw invalid(network, `"${brief(subnet.cidr)}" is no subnet such as 10.0.1.0/24`, `subnets[${i}].cidr`);
    const text = cidrText(cidr);
    const wanted = subnet.gateway ?? before?.subnets.find((s) => s.cidr === text)?.gateway;
    const gateway = wanted === undefined ? firstAddress(cidr) : canonicalAddress(wanted);
    const place = `subnets[${i}].gateway`;
    if (gateway === undefined || !inCidr(cidr, gateway))
      throw invalid(network, `gateway ${brief(`${wanted}`)} is outside ${subnet.cidr}`, place);
    if (cidr.family === 4 && isReserved(cidr, gateway))
      throw invalid(network, `gateway ${gateway} is the network or broadcast address of ${text}`, place);
    return { cidr: text, gateway };
  });
  const upstreams = checkedUpstreams(`network ${brief(network.name)}`, network.upstreams);
  return { ...network, subnets, ...(upstreams && { upstreams }) };
}

function check(state: State, network: Network): void {
  checkSpacedName("network", network.name, "name");
  const named = state.networkNames.get(folded(network.name));
  if (named !== undefined && named !== network.id) {
    throw conflict(network, `there is a network of this name (${brief(named)})`, "name");
  }
  const cidrs = network.subnets.map((s) => parseCidr(s.cidr)!);
  const own = new Ranges();
  for (const [i, cidr] of cidrs.entries()) {
    if (own.overlap(cidr, "")) throw overlap(network, i, network);
    own.add(cidr, network.id);
  }
  if (!network.ingress && !cidrs.some((cidr) => state.ranges.overlap(cidr, network.id))) return;
  for (const other of state.networks.values()) {
    if (other.id === network.id) continue;
    if (other.ingress && network.ingress)
      throw conflict(network, `ingress network (${brief(other.name)}) is already present`, "ingress");
    const theirs = state.pools.get(other.id)?.cidrs ?? [];
    const i = cidrs.findIndex((c) => theirs.some((t) => cidrsOverlap(c, t)));
    if (i >= 0) throw overlap(network, i, other);
  }
}

function overlap(network: Network, i: number, other: Network): RegistryError {
  const theirs = other.subnets.map((s) => s.cidr).join(", ");
  const message = `subnet ${network.subnets[i]?.cidr} overlaps network ${brief(other.name)} (${brief(theirs)})`;
  return conflict(network, message, `subnets[${i}].cidr`);
}

const invalid = ({ name }: Network, what: string, path: string): RegistryError =>
  new RegistryError("invalid", `network ${brief(name)}: ${what}`, path);

const conflict = ({ name }: Network, what: string, path: string): RegistryError =>
  new RegistryError("conflict", `network ${brief(name)}: ${what}`, path);

function freeSubnet({ state, subnets }: Step): Subnet {
  const free = state.ranges.free(subnets);
  if (free === undefined) throw new RegistryError("exhausted", "no free /24 is left in 10.0.0.0/8 for another network");
  return { cidr: cidrText(free) };
}

/** Names who is attached, as people know them. */
function refuseIfUsed(state: State, { id, name, ingress }: Network, what: string, how: string, path?: string): void {
  const services = [...(state.serviceNames.get(id)?.values() ?? [])].map(
    (s) => `service ${state.services.get(s)?.name}`,
  );
  // Only the mesh has tasks whose service is not there too.
  const owners = [...(state.pools.get(id)?.users.values() ?? [])].filter((o) => ingress || !o.startsWith("task "));
  const users = [...new Set([...services.sort(), ...owners.sort()])]; // the same words whatever came first
  if (users.length === 0) return;
  const shown = users.slice(0, 5).join(", ") + (users.length > 5 ? ` and ${users.length - 5} more` : "");
  throw new RegistryError("in-use", `${what} ${brief(name)} can't ${how} while it is in use by ${shown}`, path);
}
