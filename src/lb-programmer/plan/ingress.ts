/** The sandbox through which connections to published ports enter the routing mesh. */
import type { ReadonlyState, Service } from "../../model/types.ts";
import { EMPTY, type IngressTarget, type LbState, type VirtualServer } from "../state.ts";
import { forwardingFor, type PlanContext, sysctlsFor } from "./context.ts";
import { meshPorts } from "./sandbox.ts";
import { serversOf, snatsOf } from "./servers.ts";

/**
 * Ports go to the service's tasks on any node, which see this sandbox as the client. Ports with traffic "local" have a server of
 * their own: tasks of this node only, and those see the client (their replies must be routed back through this sandbox).
 */
export function planIngress(state: ReadonlyState, target: IngressTarget, context: PlanContext): LbState {
  const servers = [...state.services.values()].flatMap((service) => meshServers(state, service, target, context));
  return {
    ...EMPTY,
    addresses: [...new Set(servers.map(({ vip }) => vip))].map((address) => ({ address, device: target.device })),
    servers,
    snats: snatsOf(state, target.network, servers, target),
    sysctls: {
      ...forwardingFor(
        servers.map(({ vip }) => vip),
        target.device,
      ),
      ...sysctlsFor(servers, context),
    },
  };
}

function meshServers(state: ReadonlyState, service: Service, { network }: IngressTarget, context: PlanContext) {
  const { mesh } = service;
  if (service.mode !== "vip" || mesh?.network !== network) return [];
  const { node } = context;
  const [cluster, local] = (["cluster", "local"] as const).map((traffic) => portsWith(service, traffic));
  const from = "published";
  return [
    ...(cluster!.length > 0 ? serversOf(state, service, mesh, context, { from, ports: cluster! }) : []),
    ...(local!.length > 0
      ? serversOf(state, service, mesh, context, { from, ports: local!, keepSource: true, node })
      : []),
  ];
}

const portsWith = (service: Service, traffic: "cluster" | "local"): VirtualServer["ports"] =>
  meshPorts(service)
    .filter((p) => p.traffic === traffic)
    .map(({ protocol, published }) => ({ protocol, port: published }));
