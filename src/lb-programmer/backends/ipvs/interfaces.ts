/** Addresses and local routes of the namespace that this thread is in: looked at, and changed. */
import { familyOf } from "../../../model/address.ts";
import {
  addLocalRoute,
  interfaceAddresses,
  type LocalRoute,
  localRoutes,
  removeLocalRoute,
} from "../../../os/netlink/rtnetlink.ts";
import { type AddressChange, changeOwnAddresses } from "../common/own-addresses.ts";

export interface Interfaces {
  /** "10.0.1.4/32 eth0" for every address of every interface. */
  readonly addresses: ReadonlySet<string>;
  /** "10.0.1.4 10.0.1.5": connections to the first come from the second, and stay in this namespace. */
  readonly selfRoutes: ReadonlySet<string>;
}

export interface RouteChange {
  readonly added: readonly LocalRoute[];
  /** Addresses that routes lead to. */
  readonly removed: readonly string[];
}

export const interfacesHere = (): Interfaces => ({
  addresses: new Set(
    interfaceAddresses().map(({ address, prefix, device }) => `${address}/${known(address, prefix)} ${device}`),
  ),
  selfRoutes: new Set(localRoutes().map(({ to, source }) => `${to} ${source}`)),
});

/** An IPv6 VIP that somebody else has put there is there, whatever its range. */
const known = (address: string, prefix: number): number => (familyOf(address) === 6 ? 128 : prefix);

/** What is there, or gone, already is no error. IPv6 VIPs are never the source of a connection (deprecated). */
export function changeInterfaces(routes: RouteChange, addresses: AddressChange): void {
  for (const to of routes.removed) removeLocalRoute(to);
  for (const route of routes.added) addLocalRoute(route);
  changeOwnAddresses(addresses, { deprecated: true });
}

/** Every address of the namespace. */
export const ownAddresses = (): Set<string> => new Set(interfaceAddresses().map(({ address }) => address));
