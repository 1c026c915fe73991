/** What IPVS has of a server. Pure. */
import { familyOf } from "../../../model/address.ts";
import type { IpvsDestination, IpvsService } from "../../../os/netlink/ipvs.ts";
import type { Destination, VirtualServer } from "../../state.ts";
import { affinity, foreign, NOT_WHOLE, SCHEDULERS, weight, word } from "../common/typed.ts";
import type { Family } from "./server.ts";

export interface Balanced {
  readonly services: readonly IpvsService[];
  readonly destinations: ReadonlyMap<number, readonly IpvsDestination[]>;
}

/** A server with what IPVS says of it. */
export function balancedBy({ services, destinations }: Balanced): (server: VirtualServer) => VirtualServer {
  const by = new Map(services.map((service) => [`${service.family} ${service.mark}`, service]));
  return (server) => {
    const family = familyOf(server.vip);
    const service = by.get(`${family} ${server.mark}`);
    return { ...server, ...ruled(service), destinations: destinationsOf(server.mark, family, destinations) };
  };
}

/** Without a service, a server is never as it is wanted. */
export const ruled = (service: IpvsService | undefined): Pick<VirtualServer, "scheduler" | "affinity"> =>
  service === undefined
    ? { scheduler: "rr", affinity: NOT_WHOLE }
    : { scheduler: word(service.scheduler, SCHEDULERS), affinity: affinity(`${service.affinity}`) };

export const destinationsOf = (
  mark: number,
  family: Family,
  destinations: Balanced["destinations"],
): readonly Destination[] =>
  (destinations.get(mark) ?? []).filter((d) => familyOf(d.address) === family).map(destinationOf);

/** A port of its own is not what we put there. */
const destinationOf = ({ address, port, weight: found }: IpvsDestination): Destination =>
  port === 0 ? { address, weight: weight(`${found}`) } : foreign();
