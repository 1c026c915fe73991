/** How long the kernel remembers translated connections. Of all connections in the namespace: it has no setting for ours alone. */
import type { Idle } from "../../state.ts";

/** Documentation/networking/nf_conntrack-sysctl.rst. */
export function conntrackSysctls({ tcp, udp }: Idle): Readonly<Record<string, string>> {
  return {
    ...(tcp !== undefined && { "net/netfilter/nf_conntrack_tcp_timeout_established": `${tcp}` }),
    ...(udp !== undefined && {
      "net/netfilter/nf_conntrack_udp_timeout": `${udp}`,
      "net/netfilter/nf_conntrack_udp_timeout_stream": `${udp}`,
    }),
  };
}
