/** A network's load-balancer sandbox on this node: Docker's layout since 18.09. */
import type { ReadonlyState } from "../../model/types.ts";
import { EMPTY, type LbState, type NetworkTarget } from "../state.ts";
import { attachedTo } from "./attached.ts";
import { forwardingFor, type PlanContext, sysctlsFor } from "./context.ts";
import { serversOf, snatsOf } from "./servers.ts";

/** The VIPs of the network's services are addresses of this namespace, and tasks see its own address as the client's. */
export function planNetwork(state: ReadonlyState, target: NetworkTarget, context: PlanContext): LbState {
  if (context.placement !== "network") return EMPTY;
  const servers = attachedTo(state, target.network).flatMap(({ service, vips }) =>
    serversOf(state, service, vips, context, { from: "arriving" }),
  );
  return {
    ...EMPTY,
    addresses: servers.map(({ vip }) => ({ address: vip, device: target.device })),
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
