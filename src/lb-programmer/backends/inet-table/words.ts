/** The words that rules are made of, and the base chains and rules that every backend with such a table has. */
import type { Key, Statement } from "../../../os/nftables/statement.ts";
import type { Base } from "../../../os/nftables/types.ts";
import type { Family } from "./sets.ts";

export type Rule = readonly Statement[];

export interface BaseChain {
  readonly base: Base;
  readonly rules: readonly Rule[];
}

const FAMILIES = [4, 6] as const;
export const PROTOCOLS = ["tcp", "udp", "sctp"] as const;
export const IP = { 4: "ip", 6: "ip6" } as const satisfies Record<Family, string>;

export const TRANSPORT: Statement = { kind: "one of", what: "meta l4proto", values: PROTOCOLS };
/** Of a packet that may be of any protocol. */
export const PORT = ["meta l4proto", "th dport"] as const;
export const LOCAL: Statement = { kind: "match", what: "fib daddr type", is: "local" };
export const TRANSLATED: Statement = { kind: "match", what: "ct status", is: "dnat" };
export const BACK: Statement = { kind: "verdict", verdict: "return" };
export const MASQUERADE: Statement = { kind: "masquerade" };
const DROP: Statement = { kind: "verdict", verdict: "drop" };

export const inFamily = (f: Family): Statement => ({ kind: "match", what: "meta nfproto", is: `ipv${f}` });
export const isProtocol = (name: string): Statement => ({ kind: "match", what: "meta l4proto", is: name });
export const both = (rules: (family: Family) => readonly Rule[]): readonly Rule[] => FAMILIES.flatMap(rules);

/** TCP by a reset, which a client understands at once; everything else by ICMP. */
export const refused = (match: readonly Statement[]): readonly Rule[] => [
  [TRANSPORT, ...match, isProtocol("tcp"), RESET],
  [TRANSPORT, ...match, UNREACHABLE],
];
export const RESET: Statement = { kind: "reject", with: "tcp reset" };
export const UNREACHABLE: Statement = { kind: "reject", with: "icmpx port-unreachable" };

/** A step before iptables' and Docker's chains (-100, 100, 0): the first to translate a connection wins. */
const NAT = -105;
/** Before connections are known, and anything is translated. */
const RAW = -300;
const SOURCE_NAT = 95;
const FILTER = -5;

export const filter = (hook: Base["hook"], priority = FILTER): Base => ({
  type: "filter",
  hook,
  priority,
  policy: "accept",
});
const nat = (hook: Base["hook"], priority: number): Base => ({ type: "nat", hook, priority, policy: "accept" });

/** Connections that begin here, that come here, and that leave. */
export const NATS = {
  output: nat("output", NAT),
  prerouting: nat("prerouting", NAT),
  source: nat("postrouting", SOURCE_NAT),
};

/** Connection mark of those that come from the host's bridge and are led back to it, as iptables' rules have it; the other bits are others'. */
const HAIRPIN = { mark: 0xe1100000, bits: 0xfff00000 };
const TO_BRIDGE: Statement = { kind: "in set", key: ["oifname"], set: "bridges" };

const dnat = (f: Family, key: readonly Key[], map: string): Statement => ({
  kind: "nat",
  type: "dnat",
  family: IP[f],
  to: { key, map: `${map}${f}`, port: true },
});
/** The port stays. */
const dnatRange = (f: Family): Statement => ({
  kind: "nat",
  type: "dnat",
  family: IP[f],
  to: { key: PORT, map: `host-ranges${f}` },
});

/** Published ports need route_localnet of these bridges, which would let their other members reach what listens on 127.0.0.1. */
export const GUARDING: BaseChain = {
  base: filter("prerouting", RAW),
  rules: (["ip daddr", "ip saddr"] as const).map((what) => [
    { kind: "match", what, is: "127.0.0.0/8" },
    { kind: "in set", key: ["iifname"], set: "bridges" },
    DROP,
  ]),
};

/** VIPs that are no addresses here answer ping. */
export const PINGED: readonly Rule[] = both((f) => [
  [
    { kind: "match", what: f === 4 ? "icmp type" : "icmpv6 type", is: "echo-request" },
    { kind: "in set", key: [`${IP[f]} daddr`], set: `ping${f}` },
    { kind: "redirect" },
  ],
]);

/** The host's own connections to its published ports. */
export const PUBLISHED_HERE: readonly Rule[] = [
  [LOCAL, dnat(4, PORT, "host")],
  [LOCAL, dnatRange(4)],
  // Nothing comes back to ::1 from elsewhere, the kernel has no route_localnet for it: better refused than lost.
  [LOCAL, { kind: "match", what: "ip6 daddr", is: "::1", not: true }, dnat(6, PORT, "host")],
  [LOCAL, { kind: "match", what: "ip6 daddr", is: "::1", not: true }, dnatRange(6)],
];

/** Ports of a task on the routing mesh, and the host's. */
export const PUBLISHED: readonly Rule[] = [
  ...both((f) => [[dnat(f, [`${IP[f]} daddr`, ...PORT], "redirects")]]),
  // For postrouting, which does not see by which bridge a packet came where bridges call these hooks (bridge-nf-call-iptables).
  [{ kind: "in set", key: ["iifname"], set: "bridges" }, LOCAL, { kind: "set mark", ...HAIRPIN }],
  ...both((f) => [limited(f)]),
  ...both((f) => [
    [LOCAL, dnat(f, PORT, "host")],
    [LOCAL, dnatRange(f)],
  ]),
];

/** Ports published on the host: its own connections, loopback ones too, and those of the bridge's other members. */
export const MASQUERADED: readonly Rule[] = [
  [TRANSLATED, TO_BRIDGE, { kind: "match", what: "fib saddr type", is: "local" }, MASQUERADE],
  [TRANSLATED, TO_BRIDGE, { kind: "marked", ...HAIRPIN }, MASQUERADE],
];

/**
 * Only what begins a connection comes here, so what is open goes on, and the host's own goes by "leaving". Dropped, as Kubernetes does it:
 * who may not come need not know that something is there, and an answer might go to an address that never asked.
 */
function limited(f: Family): Rule {
  return [
    inFamily(f),
    LOCAL,
    { kind: "in set", key: PORT, set: `limited${f}` },
    { kind: "not in set", key: [`${IP[f]} saddr`, ...PORT], set: `sources${f}` },
    DROP,
  ];
}
