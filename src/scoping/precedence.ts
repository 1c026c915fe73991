/** Which of its networks a sandbox asks first when several know a name. Documented, total, and the same on every start. */
import { familyOf } from "../model/address.ts";
import type { Endpoint, Network, ReadonlyState } from "../model/types.ts";
import { hasNames } from "./claims.ts";

/** An endpoint together with its network. */
export interface OnNetwork {
  readonly endpoint: Endpoint;
  readonly network: Network;
}

/**
 * The endpoints that give names, first to ask first: higher priority; overlay before any other driver; one that leads
 * out before an internal one; more address families with a gateway; name of the network (Docker's order, moby
 * libnetwork/sandbox.go Less and endpoint.go ByNetworkType, except that an explicit priority beats the driver).
 */
export function precedence(endpoints: readonly Endpoint[], state: ReadonlyState): OnNetwork[] {
  return endpoints
    .map((endpoint) => ({ endpoint, network: state.networks.get(endpoint.network) }))
    .filter((a): a is OnNetwork => a.network !== undefined && hasNames(a.network))
    .sort(
      (a, b) =>
        b.endpoint.priority - a.endpoint.priority ||
        Number(b.network.driver === "overlay") - Number(a.network.driver === "overlay") ||
        Number(a.network.internal) - Number(b.network.internal) ||
        families(b.network) - families(a.network) ||
        (a.network.name < b.network.name ? -1 : 1),
    );
}

const families = (network: Network): number => new Set(network.subnets.map((s) => familyOf(s.cidr))).size;
