/** The choices an operator has over answers, and what they come to for one network and service. */
import type { Network, Service, Ttl, Upstream } from "../model/types.ts";

export interface Policy {
  /** "docker": TTL 600 everywhere, hostnames are names. */
  readonly compat: "none" | "docker";
  /** Seconds; `negative` bounds how long a NODATA or NXDOMAIN is remembered. */
  readonly ttl: { readonly stable: number; readonly dynamic: number; readonly negative: number };
  /** A container's or task's hostname is a name on its networks. */
  readonly hostnames: boolean;
  /** The node's own upstreams, for sandboxes whose networks have none. */
  readonly upstreams: readonly Upstream[];
  /** The file that `upstreams` come from has an ndots option: unknown names of one label are not forwarded. */
  readonly ndots: boolean;
}

/** A VIP outlives its tasks, so clients may keep it longer; tasks come and go, and nobody should hold the address of a dead one for long. */
export const DEFAULT_POLICY: Policy = {
  compat: "none",
  ttl: { stable: 600, dynamic: 5, negative: 5 },
  hostnames: false,
  upstreams: [],
  ndots: false,
};

/** Docker's TTL, on every record. */
const DOCKER_TTL = 600;

/** The narrowest setting wins: service, network, node. */
export function ttlOf(policy: Policy, kind: keyof Ttl, network: Network, service?: Service): number {
  if (policy.compat === "docker") return DOCKER_TTL;
  return service?.ttl?.[kind] ?? network.ttl?.[kind] ?? policy.ttl[kind];
}
