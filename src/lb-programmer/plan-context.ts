/** What a plan depends on beside the registry's state and the target. */
import type { Placement } from "./types.ts";

export interface PlanContext {
  readonly placement: Placement;
  /** The mark of a virtual server's key; `Marks.of`. */
  readonly marks: (key: string) => number;
  /** This node, as tasks name it. */
  readonly node: string;
  /** The backend is IPVS: its sysctls are part of the plan. */
  readonly ipvs: boolean;
}

/**
 * Docker's settings (libnetwork service_linux.go): IPVS connections are tracked, so that they can be masqueraded; a client's
 * port that is used again gets a new task at once; connections of a task that is gone end; and a client stops
 * staying with a task of weight 0.
 */
const IPVS: Readonly<Record<string, string>> = {
  "net/ipv4/vs/conntrack": "1",
  "net/ipv4/vs/conn_reuse_mode": "0",
  "net/ipv4/vs/expire_nodest_conn": "1",
  "net/ipv4/vs/expire_quiescent_template": "1",
};

/** Sysctls of a namespace that balances; none as long as it has no servers, or needs none. */
export const sysctlsFor = (servers: readonly unknown[], { ipvs }: PlanContext): Readonly<Record<string, string>> =>
  ipvs && servers.length > 0 ? IPVS : {};

/** A namespace through which connections to these addresses pass on to others: the kernel must forward in their families. */
export function forwardingFor(addresses: readonly string[]): Readonly<Record<string, string>> {
  return {
    ...(addresses.some((a) => !a.includes(":")) && { "net/ipv4/ip_forward": "1" }),
    ...(addresses.some((a) => a.includes(":")) && { "net/ipv6/conf/all/forwarding": "1" }),
  };
}
