/** What a plan depends on beside the registry's state and the target. */
import { familyOf } from "../../model/address.ts";
import type { Placement } from "../state.ts";

export interface PlanContext {
  readonly placement: Placement;
  /** The mark of a virtual server's key; `Marks.of`. */
  readonly marks: (key: string) => number;
  /** This node, as tasks name it. */
  readonly node: string;
  /** The backend is IPVS: its sysctls are part of the plan. */
  readonly ipvs: boolean;
  readonly idle?: Idle | undefined;
}

/** Seconds that a balanced connection may be silent. */
export interface Idle {
  readonly tcp?: number;
  readonly udp?: number;
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
export function sysctlsFor(servers: readonly unknown[], { ipvs, idle = {} }: PlanContext): Record<string, string> {
  if (servers.length === 0) return {};
  const keys = ipvs ? IPVS_IDLE : CONNTRACK_IDLE;
  const timeouts = (["tcp", "udp"] as const).flatMap((protocol) => {
    const seconds = idle[protocol];
    return seconds === undefined ? [] : keys[protocol].map((key) => [key, `${seconds}`] as const);
  });
  return { ...(ipvs && IPVS), ...Object.fromEntries(timeouts) };
}

const IPVS_IDLE = { tcp: ["ipvs/tcp"], udp: ["ipvs/udp"] };
/** Of all connections in the namespace: the kernel has none for translated ones. Documentation/networking/nf_conntrack-sysctl.rst. */
const CONNTRACK_IDLE = {
  tcp: ["net/netfilter/nf_conntrack_tcp_timeout_established"],
  udp: ["net/netfilter/nf_conntrack_udp_timeout", "net/netfilter/nf_conntrack_udp_timeout_stream"],
};

/**
 * A namespace through which connections to these addresses pass on to others: the kernel must forward in their families. Where
 * they leave by the `device` that they came in by, it must not tell clients to go there directly (ICMP redirects; and those
 * count against the limit for errors that clients do need).
 */
export function forwardingFor(addresses: readonly string[], device?: string): Readonly<Record<string, string>> {
  const four = addresses.some((a) => familyOf(a) === 4);
  return {
    ...(four && { "net/ipv4/ip_forward": "1" }),
    ...(four && device && { "net/ipv4/conf/all/send_redirects": "0" }),
    ...(four && device && { [`net/ipv4/conf/${device}/send_redirects`]: "0" }),
    ...(addresses.some((a) => familyOf(a) === 6) && { "net/ipv6/conf/all/forwarding": "1" }),
  };
}
