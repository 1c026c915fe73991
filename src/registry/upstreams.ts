/** Check of upstreams, wherever they are named. */
import { canonicalAddress } from "../model/address.ts";
import type { Upstream } from "../model/types.ts";
import { RegistryError } from "./error.ts";

/** The upstreams with canonical addresses; throws for one that is no address or has no port. */
export function checkedUpstreams(owner: string, upstreams: readonly Upstream[] | undefined): Upstream[] | undefined {
  return upstreams?.map((upstream) => {
    const address = canonicalAddress(upstream.address);
    if (address === undefined)
      throw new RegistryError("invalid", `${owner}: upstream "${upstream.address}" is no IP address`);
    if (!Number.isInteger(upstream.port) || upstream.port < 1 || upstream.port > 65_535)
      throw new RegistryError("invalid", `${owner}: upstream port ${upstream.port} is not in 1-65535`);
    return { ...upstream, address };
  });
}
