/** The sandbox through which connections to published ports enter the routing mesh. */
import type { ReadonlyState, Service } from "../../model/types.ts";
import { joined } from "../port-ranges.ts";
import type { IngressTarget, LbState, VirtualServer } from "../state.ts";
import { Balanced, keptFor } from "./balanced.ts";
import { planPassing } from "./passing.ts";
import type { Planning } from "./planning.ts";
import { meshPorts } from "./sandbox.ts";

/**
 * Ports go to the service's tasks on any node, which see this sandbox as the client. Ports with traffic "local" have a server of
 * their own: tasks of this node only, and those see the client (their replies must be routed back through this sandbox).
 */
export function planIngress(state: ReadonlyState, target: IngressTarget, planning: Planning): LbState {
  const serversOf = (now: ReadonlyState, service: Service) => meshServers(now, service, target, planning);
  const balanced = keptFor(planning.balanced, target, () => new Balanced(planning.touched, target.device, serversOf));
  return planPassing(state, target, balanced, planning);
}

function meshServers(
  state: ReadonlyState,
  service: Service,
  { network }: IngressTarget,
  { node, servers }: Planning,
): readonly VirtualServer[] {
  const { mesh } = service;
  if (service.mode !== "vip" || mesh?.network !== network) return [];
  const cluster = portsWith(service, "cluster");
  const local = portsWith(service, "local");
  const from = "published";
  return [
    ...(cluster.length > 0 ? servers.of(state, service, mesh, { from, ports: cluster }) : []),
    ...(local.length > 0 ? servers.of(state, service, mesh, { from, ports: local, keepSource: true, node }) : []),
  ];
}

const portsWith = (service: Service, traffic: "cluster" | "local"): VirtualServer["ports"] =>
  joined(
    meshPorts(service)
      .filter((p) => p.traffic === traffic)
      .map(({ protocol, published }) => ({ protocol, port: published })),
  );
