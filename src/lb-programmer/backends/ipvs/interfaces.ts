/** Addresses and local routes of the namespace that this thread is in: looked at, and changed. */
import {
  addAddress,
  addLocalRoute,
  interfaceAddresses,
  localRoutes,
  removeAddress,
  removeLocalRoute,
} from "../../../os/netlink/rtnetlink.ts";
import type { AddressChange, RouteChange } from "./addresses.ts";

export interface Interfaces {
  /** "10.0.1.4/32 eth0" for every address of every interface. */
  readonly addresses: ReadonlySet<string>;
  /** "10.0.1.4 10.0.1.5": connections to the first come from the second, and stay in this namespace. */
  readonly selfRoutes: ReadonlySet<string>;
}

export const interfacesHere = (): Interfaces => ({
  addresses: new Set(interfaceAddresses().map(({ address, prefix, device }) => `${address}/${prefix} ${device}`)),
  selfRoutes: new Set(localRoutes().map(({ to, source }) => `${to} ${source}`)),
});

/** What is there, or gone, already is no error. IPv6 VIPs are never the source of a connection (deprecated). */
export function changeInterfaces(routes: RouteChange, addresses: AddressChange): void {
  for (const to of routes.removed) removeLocalRoute(to);
  for (const route of routes.added) addLocalRoute(route);
  for (const address of addresses.added) addAddress(address, { deprecated: address.prefix === 128 });
  for (const address of addresses.removed) removeAddress(address);
}

/** Every address of the namespace. */
export const ownAddresses = (): Set<string> => new Set(interfaceAddresses().map(({ address }) => address));
