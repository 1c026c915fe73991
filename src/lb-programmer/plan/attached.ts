/** Which services have VIPs on a network: made once for all sandboxes, and anew when a service is another. */
import type { NetworkId, ReadonlyState, Service } from "../../model/types.ts";
import type { Vips } from "./servers.ts";

export interface Attached {
  readonly service: Service;
  readonly vips: Vips;
}

interface Index {
  revision: number;
  readonly services: readonly Service[];
  readonly byNetwork: ReadonlyMap<NetworkId, readonly Attached[]>;
}

const indexes = new WeakMap<ReadonlyState["services"], Index>();

/** Services in vip mode with a VIP on the network; those that are only published there are not among them. */
export function attachedTo(state: ReadonlyState, network: NetworkId): readonly Attached[] {
  let index = indexes.get(state.services);
  if (index === undefined || (index.revision !== state.revision && !sameServices(index, state))) {
    index = indexOf(state);
    indexes.set(state.services, index);
  }
  index.revision = state.revision;
  return index.byNetwork.get(network) ?? [];
}

/** Services are replaced when they change, never written to. */
function sameServices({ services }: Index, state: ReadonlyState): boolean {
  if (services.length !== state.services.size) return false;
  let i = 0;
  for (const service of state.services.values()) if (service !== services[i++]) return false;
  return true;
}

function indexOf(state: ReadonlyState): Index {
  const byNetwork = new Map<NetworkId, Attached[]>();
  for (const service of state.services.values()) {
    if (service.mode !== "vip") continue;
    for (const vips of service.networks) {
      if (vips.vip4 === undefined && vips.vip6 === undefined) continue;
      const there = byNetwork.get(vips.network);
      if (there === undefined) byNetwork.set(vips.network, [{ service, vips }]);
      else there.push({ service, vips });
    }
  }
  return { revision: state.revision, services: [...state.services.values()], byNetwork };
}
