/**
 * What names a virtual server, over restarts: "<service>/<network>/4", with "/local" where it is a second one of the same service. Ids may
 * have slashes, too, which are written otherwise ("a/b": "a%2Fb"), so that no two servers have the same key. Pure.
 */
import type { NetworkId, ServiceId } from "../model/types.ts";

export const serverKey = (service: ServiceId, network: NetworkId, family: 4 | 6, local = false): string =>
  `${written(service)}/${written(network)}/${family}${local ? "/local" : ""}`;

export interface KeyPlace {
  readonly service: ServiceId;
  readonly network: NetworkId;
}

/** Whose key it is; undefined: it is none of ours. */
export function readKey(key: string): KeyPlace | undefined {
  const [, service, network] = KEY.exec(key) ?? [];
  return service === undefined || network === undefined
    ? undefined
    : { service: read(service), network: read(network) };
}

const KEY = /^([^/]*)\/([^/]*)\/[46](?:\/local)?$/;

const written = (id: string): string => id.replaceAll("%", "%25").replaceAll("/", "%2F");
const read = (text: string): string => text.replaceAll("%2F", "/").replaceAll("%25", "%");
