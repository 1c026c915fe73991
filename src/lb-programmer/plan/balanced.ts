/** What one place balances: the virtual servers of all services that are reached there, and their VIPs as addresses. */
import type { NetworkId, ReadonlyState, Service } from "../../model/types.ts";
import type { LocalAddress, VirtualServer } from "../state.ts";
import { PerService } from "./per-service.ts";
import type { ServerCache } from "./servers.ts";
import type { TouchedServices } from "./touched-services.ts";

/** Servers of one service in one place. */
type ServersOf = (state: ReadonlyState, service: Service) => readonly VirtualServer[];

export class Balanced {
  readonly servers: PerService<VirtualServer>;
  readonly addresses: PerService<LocalAddress>;

  /** `device`: where the VIPs are addresses. */
  constructor(touched: TouchedServices, device: string, serversOf: ServersOf) {
    this.servers = new PerService(touched, serversOf);
    this.addresses = new PerService(touched, (state, service, before) => {
      const servers = serversOf(state, service);
      if (haveAddresses(servers, before)) return before;
      const vips = new Set(servers.map(({ vip }) => vip));
      return [...vips].map((vip) => before.find(({ address }) => address === vip) ?? { address: vip, device });
    });
  }
}

/** Most changes are of tasks: the VIPs stay. */
const haveAddresses = (servers: readonly VirtualServer[], addresses: readonly LocalAddress[]): boolean =>
  servers.length === addresses.length && servers.every(({ vip }, i) => vip === addresses[i]!.address);

/** The services in vip mode that have a VIP on the network; those that are only published there are not among them. */
export const reachedOn =
  (network: NetworkId, from: "local" | "arriving", servers: ServerCache): ServersOf =>
  (state, service) =>
    service.mode === "vip"
      ? service.networks.flatMap((vips) => (vips.network === network ? servers.of(state, service, vips, { from }) : []))
      : [];

/** What is made for this object as long as it lives: for a network or a target, which are replaced when they change. */
export function keptFor<K extends object, V>(kept: WeakMap<K, V>, key: K, make: () => V): V {
  const there = kept.get(key);
  if (there !== undefined) return there;
  const made = make();
  kept.set(key, made);
  return made;
}
