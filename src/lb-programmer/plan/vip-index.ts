/** Which services have VIPs on a network: found out once for all sandboxes, and again when a service was put or removed. */
import type { NetworkId, ReadonlyState, Service } from "../../model/types.ts";
import type { Vips } from "./servers.ts";

export interface ServiceOnNetwork {
  readonly service: Service;
  readonly vips: Vips;
}

interface Indexed {
  readonly from: ReadonlyState["services"];
  revision: number;
  readonly services: readonly Service[];
  readonly byNetwork: ReadonlyMap<NetworkId, readonly ServiceOnNetwork[]>;
}

export class VipIndex {
  #index: Indexed | undefined;

  /** Services in vip mode with a VIP on the network; those that are only published there are not among them. */
  on(network: NetworkId, state: ReadonlyState): readonly ServiceOnNetwork[] {
    if (this.#index === undefined || !isCurrent(this.#index, state)) this.#index = indexOf(state);
    this.#index.revision = state.revision;
    return this.#index.byNetwork.get(network) ?? [];
  }
}

/** Services are replaced when they change, never written to: the same objects are as they were. */
function isCurrent({ from, revision, services }: Indexed, state: ReadonlyState): boolean {
  if (from !== state.services) return false;
  if (revision === state.revision) return true;
  if (services.length !== state.services.size) return false;
  let i = 0;
  for (const service of state.services.values()) if (service !== services[i++]) return false;
  return true;
}

function indexOf(state: ReadonlyState): Indexed {
  const byNetwork = new Map<NetworkId, ServiceOnNetwork[]>();
  for (const service of state.services.values()) {
    if (service.mode !== "vip") continue;
    for (const vips of service.networks) {
      if (vips.vip4 === undefined && vips.vip6 === undefined) continue;
      const there = byNetwork.get(vips.network);
      if (there === undefined) byNetwork.set(vips.network, [{ service, vips }]);
      else there.push({ service, vips });
    }
  }
  return { from: state.services, revision: state.revision, services: [...state.services.values()], byNetwork };
}
