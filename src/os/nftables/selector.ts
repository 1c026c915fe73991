/**
 * What rules look at, under nft's names: `ip daddr`, `meta l4proto`, `ct original proto-dst`. For each its type, the expression that
 * loads it, and what must be known about the packet first.
 */
import type { TypeName } from "./datatype.ts";
import type { Expression } from "./expression.ts";

type Loading = Extract<Expression, { kind: "meta" | "payload" | "ct" | "fib" }>;
type Load = Loading extends infer L ? (L extends Loading ? Omit<L, "register"> : never) : never;

interface Known {
  readonly type: TypeName;
  readonly load: Load;
  /** Matches that nft puts in front, once in a rule: an IPv6 packet has no IPv4 header. */
  readonly needs?: readonly (readonly ["meta nfproto" | "meta l4proto", string])[];
}

const IP4 = [["meta nfproto", "ipv4"]] as const;
const IP6 = [["meta nfproto", "ipv6"]] as const;
const octets = (base: "network" | "transport", offset: number, length: number): Load => ({
  kind: "payload",
  base,
  offset,
  length,
});

export const SELECTORS = {
  "meta nfproto": { type: "nfproto", load: { kind: "meta", key: "nfproto" } },
  "meta l4proto": { type: "inet_proto", load: { kind: "meta", key: "l4proto" } },
  "meta mark": { type: "mark", load: { kind: "meta", key: "mark" } },
  iifname: { type: "ifname", load: { kind: "meta", key: "iifname" } },
  oifname: { type: "ifname", load: { kind: "meta", key: "oifname" } },
  "ip saddr": { type: "ipv4_addr", load: octets("network", 12, 4), needs: IP4 },
  "ip daddr": { type: "ipv4_addr", load: octets("network", 16, 4), needs: IP4 },
  "ip6 saddr": { type: "ipv6_addr", load: octets("network", 8, 16), needs: IP6 },
  "ip6 daddr": { type: "ipv6_addr", load: octets("network", 24, 16), needs: IP6 },
  /** Of TCP, UDP and SCTP: whoever asks has made sure that it is one of them. */
  "th sport": { type: "inet_service", load: octets("transport", 0, 2) },
  "th dport": { type: "inet_service", load: octets("transport", 2, 2) },
  "tcp flags": { type: "tcp_flag", load: octets("transport", 13, 1), needs: [["meta l4proto", "tcp"]] },
  "icmp type": { type: "icmp_type", load: octets("transport", 0, 1), needs: [...IP4, ["meta l4proto", "icmp"]] },
  "icmpv6 type": { type: "icmpv6_type", load: octets("transport", 0, 1), needs: [...IP6, ["meta l4proto", "icmpv6"]] },
  "fib saddr type": { type: "fib_addrtype", load: { kind: "fib", result: "type", of: "saddr" } },
  "fib daddr type": { type: "fib_addrtype", load: { kind: "fib", result: "type", of: "daddr" } },
  "ct state": { type: "ct_state", load: { kind: "ct", key: "state" } },
  "ct status": { type: "ct_status", load: { kind: "ct", key: "status" } },
  "ct direction": { type: "ct_dir", load: { kind: "ct", key: "direction" } },
  "ct original ip daddr": { type: "ipv4_addr", load: { kind: "ct", key: "ip daddr", direction: 0 } },
  "ct original ip6 daddr": { type: "ipv6_addr", load: { kind: "ct", key: "ip6 daddr", direction: 0 } },
  "ct original proto-dst": { type: "inet_service", load: { kind: "ct", key: "proto-dst", direction: 0 } },
} satisfies Record<string, Known>;

export type Selector = keyof typeof SELECTORS;

export const known = (selector: Selector): Known => SELECTORS[selector];
