/** Check of upstreams, wherever they are named. */
import { canonicalAddress } from "../model/address.ts";
import { brief } from "../model/quote.ts";
import type { Upstream } from "../model/types.ts";
import { RegistryError } from "./error.ts";

/** The upstreams with canonical addresses; throws for one that is no address. */
export function checkedUpstreams(owner: string, upstreams: readonly Upstream[] | undefined): Upstream[] | undefined {
  return upstreams?.map((upstream, i) => {
    const address = canonicalAddress(upstream.address);
    if (address === undefined) {
      const message = `${owner}: upstream "${brief(upstream.address)}" is no IP address`;
      throw new RegistryError("invalid", message, `upstreams[${i}].address`);
    }
    return { ...upstream, address };
  });
}
