/** A container's own namespace. */
import type { Container, Network, ReadonlyState, SandboxId, Service, Task } from "../../model/types.ts";
import { joined as joinedRanges, lastOf } from "../port-ranges.ts";
import { EMPTY, type LbState, type PortRedirect, type SandboxTarget } from "../state.ts";
import { Balanced, keptFor, reachedOn } from "./balanced.ts";
import { sysctlsFor } from "./passing.ts";
import { joined } from "./per-service.ts";
import type { Planning } from "./planning.ts";
import { FAMILIES } from "./servers.ts";

/**
 * With placement "sandbox", every service that the member can reach has a server for connections that start here. They
 * keep their source address, so there is no `snats` entry; a task that reaches itself through its own VIP would get packets
 * from its own address on the wire, and it is for backends to masquerade those (source and destination are both here).
 *
 * With any placement: a task's ports that are published on the routing mesh, where connections arrive for the published port.
 */
export function planSandbox(state: ReadonlyState, target: SandboxTarget, planning: Planning): LbState {
  const members = membersOf(state, target);
  const networks = planning.placement === "sandbox" ? networksOf(state, members) : [];
  const balanced = networks.map((network) => balancedIn(network, planning));
  const servers = joined(balanced.map((b) => b.servers.list(state)));
  return {
    ...EMPTY,
    addresses: joined(balanced.map((b) => b.addresses.list(state))),
    servers,
    redirects: members.flatMap((member) => redirectsOf(state, member)),
    sysctls: sysctlsFor(servers, planning),
  };
}

/** Each once: sandboxes that share a namespace may be of one container. */
function membersOf(state: ReadonlyState, { sandbox, also = [] }: SandboxTarget): readonly (Task | Container)[] {
  const first = memberOf(state, sandbox);
  const members = first === undefined ? [] : [first];
  for (const id of also) {
    const member = memberOf(state, id);
    if (member !== undefined && !members.includes(member)) members.push(member);
  }
  return members;
}

function memberOf(state: ReadonlyState, sandbox: SandboxId): Task | Container | undefined {
  const member = state.sandboxes.get(sandbox)?.member;
  return member?.kind === "task" ? state.tasks.get(member.id) : member && state.containers.get(member.id);
}

/** What members of this network balance: the same for all of them. */
const balancedIn = (network: Network, { balanced, servers, touched }: Planning): Balanced =>
  keptFor(balanced, network, () => new Balanced(touched, "lo", reachedOn(network.id, "local", servers)));

/** Those on which services are reached by VIP. */
function networksOf(state: ReadonlyState, members: readonly (Task | Container)[]): readonly Network[] {
  const networks: Network[] = [];
  for (const { endpoints } of members)
    for (const { network: id } of endpoints) {
      const network = state.networks.get(id);
      if (network === undefined || network.ingress || network.defaultBridge) continue;
      if (!networks.includes(network)) networks.push(network);
    }
  return networks;
}

function redirectsOf(state: ReadonlyState, member: Task | Container): PortRedirect[] {
  const service = "service" in member ? state.services.get(member.service) : undefined;
  const endpoint = member.endpoints.find((e) => state.networks.get(e.network)?.ingress);
  if (service === undefined || endpoint === undefined) return [];
  const ports = withoutKept(meshPorts(service));
  return FAMILIES.flatMap((family) => {
    const address = endpoint[`ip${family}`];
    return address === undefined
      ? []
      : ports.map(({ protocol, published, target }) => ({ address, protocol, published, target }));
  });
}

type MeshPort = ReturnType<typeof meshPorts>[number];

/** Ranges that keep their numbers have nothing to be redirected to. A single port that does has a redirect, as in Docker. */
function withoutKept(ports: readonly MeshPort[]): readonly MeshPort[] {
  const kept = ports.filter(({ published, target }) => published === target);
  const ranges = joinedRanges(kept.map(({ protocol, target }) => ({ protocol, port: target }))).filter(
    (range) => range.last,
  );
  const inRange = ({ protocol, published, target }: MeshPort): boolean =>
    published === target && ranges.some((r) => r.protocol === protocol && r.port <= target && target <= lastOf(r));
  return ranges.length === 0 ? ports : ports.filter((port) => !inRange(port));
}

/** The service's ports on the routing mesh. */
export const meshPorts = ({ ports }: Service) =>
  ports.flatMap(({ mode, protocol, published, target, traffic = "cluster", sources }) =>
    mode === "ingress" && published ? [{ protocol, published, target, traffic, sources }] : [],
  );
