/**
 * Base chains, whose rules look into maps and sets that state is put into (sets.ts). A rule is there if its sets are, a chain if it has
 * such a rule, a set once it had an element: so a namespace has the hooks that it needs, and a base chain changes when something of a kind
 * comes that was never there. What else there is are elements and the chains of servers (parts.ts).
 *
 *   raw prerouting:     what only loopback may carry is dropped elsewhere
 *   output, prerouting: VIP or published port -> verdict map -> chain of the server -> dnat to a task
 *   postrouting:        what was led elsewhere gets a source that replies come back to
 *   filter:             what should have been led somewhere and was not, is refused
 *   filter, at the end: packets and octets of what was led, each once, for the counter of its server
 *
 * One table of family inet serves both address families: its nat chains take `dnat ip` and `dnat ip6` side by side.
 */
import type { Key, Statement } from "../../../os/nftables/statement.ts";
import type { Base, Change } from "../../../os/nftables/types.ts";
import { type Family, SETS } from "./sets.ts";

export type Rule = readonly Statement[];

export interface BaseChain {
  readonly base: Base;
  readonly rules: readonly Rule[];
}

const FAMILIES = [4, 6] as const;
const PROTOCOLS = ["tcp", "udp", "sctp"] as const;
export const IP = { 4: "ip", 6: "ip6" } as const satisfies Record<Family, string>;

const TRANSPORT: Statement = { kind: "one of", what: "meta l4proto", values: PROTOCOLS };
/** Of a packet that may be of any protocol. */
const PORT = ["meta l4proto", "th dport"] as const;
const LOCAL: Statement = { kind: "match", what: "fib daddr type", is: "local" };
const TRANSLATED: Statement = { kind: "match", what: "ct status", is: "dnat" };
const BACK: Statement = { kind: "verdict", verdict: "return" };
const DROP: Statement = { kind: "verdict", verdict: "drop" };
const MASQUERADE: Statement = { kind: "masquerade" };

const inFamily = (f: Family): Statement => ({ kind: "match", what: "meta nfproto", is: `ipv${f}` });
const isProtocol = (name: string): Statement => ({ kind: "match", what: "meta l4proto", is: name });
const led = (f: Family, map: string): Rule => [TRANSPORT, { kind: "vmap", key: [`${IP[f]} daddr`], map: `${map}${f}` }];
const ledByPort = (f: Family, map: string): Rule => [
  { kind: "vmap", key: [`${IP[f]} daddr`, ...PORT], map: `${map}${f}` },
];
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
const both = (rules: (family: Family) => readonly Rule[]): readonly Rule[] => FAMILIES.flatMap(rules);

const refused = (match: readonly Statement[]): readonly Rule[] => [
  [TRANSPORT, ...match, isProtocol("tcp"), { kind: "reject", with: "tcp reset" }],
  [TRANSPORT, ...match, { kind: "reject", with: "icmpx port-unreachable" }],
];
const refusedVips = (whose: "local" | "arriving"): readonly Rule[] =>
  both((f) => refused([{ kind: "in set", key: [`${IP[f]} daddr`], set: `refused-${whose}${f}` }]));

/** A step before iptables' and Docker's chains (-100, 100, 0): the first to translate a connection wins. */
const NAT = -105;
/** Before connections are known, and anything is translated. */
const RAW = -300;
const SOURCE_NAT = 95;
const FILTER = -5;
/** After others' filters: what they drop was not carried. */
const COUNTING = 200;

/** Connection mark of those that come from the host's bridge and are led back to it, as ipvs has it; the other bits are others'. */
const HAIRPIN = { mark: 0xe1100000, bits: 0xfff00000 };
const TO_BRIDGE: Statement = { kind: "in set", key: ["oifname"], set: "bridges" };

const filter = (hook: Base["hook"], priority: number): Base => ({ type: "filter", hook, priority, policy: "accept" });
const nat = (hook: Base["hook"], priority: number): Base => ({ type: "nat", hook, priority, policy: "accept" });

/** All that there can be, by name. */
const BASES: Readonly<Record<string, BaseChain>> = {
  // Published ports need route_localnet of these bridges, which would let their other members reach what listens on 127.0.0.1.
  guarding: {
    base: filter("prerouting", RAW),
    rules: (["ip daddr", "ip saddr"] as const).map((what) => [
      { kind: "match", what, is: "127.0.0.0/8" },
      { kind: "in set", key: ["iifname"], set: "bridges" },
      DROP,
    ]),
  },
  leaving: {
    base: nat("output", NAT),
    rules: [
      ...both((f) => [led(f, "local"), ledByPort(f, "local-ports")]),
      ...both((f) => [
        [
          { kind: "match", what: f === 4 ? "icmp type" : "icmpv6 type", is: "echo-request" },
          { kind: "in set", key: [`${IP[f]} daddr`], set: `ping${f}` },
          { kind: "redirect" },
        ],
      ]),
      [LOCAL, dnat(4, PORT, "host")],
      [LOCAL, dnatRange(4)],
      // Nothing comes back to ::1 from elsewhere, the kernel has no route_localnet for it: better refused than lost.
      [LOCAL, { kind: "match", what: "ip6 daddr", is: "::1", not: true }, dnat(6, PORT, "host")],
      [LOCAL, { kind: "match", what: "ip6 daddr", is: "::1", not: true }, dnatRange(6)],
    ],
  },
  entering: {
    base: nat("prerouting", NAT),
    rules: [
      ...both((f) => [led(f, "arriving"), ledByPort(f, "arriving-ports")]),
      ...both((f) =>
        ["ports", "port-ranges"].map((map) => [inFamily(f), LOCAL, { kind: "vmap", key: PORT, map: `${map}${f}` }]),
      ),
      ...both((f) => [[dnat(f, [`${IP[f]} daddr`, ...PORT], "redirects")]]),
      // For postrouting, which does not see by which bridge a packet came where bridges call these hooks (bridge-nf-call-iptables).
      [{ kind: "in set", key: ["iifname"], set: "bridges" }, LOCAL, { kind: "set mark", ...HAIRPIN }],
      ...both((f) => [limited(f)]),
      ...both((f) => [
        [LOCAL, dnat(f, PORT, "host")],
        [LOCAL, dnatRange(f)],
      ]),
    ],
  },
  passed: {
    base: nat("postrouting", SOURCE_NAT),
    rules: [
      ...both((f) => [[{ kind: "in set", key: [`ct original ${IP[f]} daddr`], set: `kept${f}` }, BACK]]),
      ...both((f) => PROTOCOLS.map((name) => keptPort(f, name))),
      ...both((f) => [
        [TRANSLATED, { kind: "in set", key: [`ct original ${IP[f]} daddr`], set: `direct${f}` }, MASQUERADE],
      ]),
      ...both((f) => [
        [TRANSLATED, { kind: "nat", type: "snat", family: IP[f], to: { key: [`${IP[f]} daddr`], map: `snats${f}` } }],
      ]),
      // Ports published on the host: its own connections, loopback ones too, and those of the bridge's other members.
      [TRANSLATED, TO_BRIDGE, { kind: "match", what: "fib saddr type", is: "local" }, MASQUERADE],
      [TRANSLATED, TO_BRIDGE, { kind: "marked", ...HAIRPIN }, MASQUERADE],
    ],
  },
  "refuse-leaving": { base: filter("output", FILTER), rules: [...refusedVips("local"), ...refusedVips("arriving")] },
  "refuse-entering": {
    base: filter("input", FILTER),
    rules: [
      // What goes on while its server takes nothing new, and replies to a port that happens to be published.
      [TRANSLATED, BACK],
      [{ kind: "match", what: "ct direction", is: "reply" }, BACK],
      ...refusedVips("arriving"),
      ...both((f) =>
        ["refused-ports", "refused-ranges"].flatMap((set) =>
          refused([inFamily(f), { kind: "in set", key: PORT, set: `${set}${f}` }]),
        ),
      ),
    ],
  },
  "refuse-passing": { base: filter("forward", FILTER), rules: refusedVips("arriving") },
  // A task that connects to its own service sees each packet leave and enter: there it counts where it has left.
  "count-leaving": { base: filter("output", COUNTING), rules: countedVips("local", "original") },
  "count-entering": { base: filter("input", COUNTING), rules: countedVips("local", "reply") },
  "count-passing": {
    base: filter("forward", COUNTING),
    rules: [...countedVips("arriving"), ...both((f) => PROTOCOLS.map((name) => countedPort(f, name)))],
  },
};

/**
 * Only what begins a connection comes here, so what is open goes on, and the host's own goes by "leaving". Dropped, as Kubernetes does it:
 * who may not come need not know that something is there, and an answer might go to an address that never asked.
 */
function limited(f: Family): Rule {
  return [
    inFamily(f),
    LOCAL,
    { kind: "in set", key: PORT, set: `limited${f}` },
    { kind: "in set", key: [`${IP[f]} saddr`, ...PORT], set: `sources${f}`, not: true },
    DROP,
  ];
}

/** Not of pings, which a VIP answers by redirection. */
function countedVips(whose: "local" | "arriving", direction?: "original" | "reply"): readonly Rule[] {
  return both((f) => [
    [
      TRANSLATED,
      ...(direction ? [{ kind: "match", what: "ct direction", is: direction } as const] : []),
      { kind: "match", what: "meta l4proto", is: f === 4 ? "icmp" : "icmpv6", not: true },
      { kind: "count", counter: { key: [`ct original ${IP[f]} daddr`], map: `bytes-${whose}${f}` } },
      BACK,
    ],
  ]);
}

function countedPort(f: Family, protocol: string): Rule {
  const counter = { key: ["ct original proto-dst"], map: `bytes-${protocol}${f}` } as const;
  return [TRANSLATED, inFamily(f), isProtocol(protocol), { kind: "count", counter }, BACK];
}

function keptPort(f: Family, protocol: string): Rule {
  const kept = `kept-${protocol}${f}`;
  return [inFamily(f), isProtocol(protocol), { kind: "in set", key: ["ct original proto-dst"], set: kept }, BACK];
}

const ALL = Object.entries(BASES).map(([name, { base, rules }]) => ({
  name,
  base,
  rules: rules.map((rule) => ({ rule, sets: setsOf(rule) })),
}));

/** Those of a table with these sets. */
export function basesWith(sets: ReadonlySet<string>): ReadonlyMap<string, BaseChain> {
  const bases = new Map<string, BaseChain>();
  for (const { name, base, rules } of ALL) {
    const there = rules.filter((rule) => rule.sets.every((set) => sets.has(set)));
    // Rules that look into nothing are there for the others.
    if (there.some((rule) => rule.sets.length > 0)) bases.set(name, { base, rules: there.map(({ rule }) => rule) });
  }
  return bases;
}

function setsOf(rule: Rule): readonly string[] {
  return rule.flatMap((statement) => {
    if (statement.kind === "in set") return statement.set;
    if (statement.kind === "vmap") return statement.map;
    if (statement.kind === "count" && typeof statement.counter === "object") return statement.counter.map;
    return statement.kind === "nat" && typeof statement.to === "object" && "map" in statement.to
      ? statement.to.map
      : [];
  });
}

/** The rules that `made`, sets which are new, call for beside those that are there. A chain that gets one is written anew, for their order. */
export function joining(there: ReadonlySet<string>, made: readonly string[]): readonly Change[] {
  if (!made.some((name) => SETS.has(name))) return [];
  const before = basesWith(there);
  return [...basesWith(new Set([...there, ...made]))].flatMap(([name, { base, rules }]): readonly Change[] => {
    const old = before.get(name);
    if (old?.rules.length === rules.length) return [];
    const begin: Change = old ? { kind: "chain.flush", chain: name } : { kind: "chain.add", chain: { name, base } };
    return [begin, ...rules.map((statements): Change => ({ kind: "rule.add", rule: { chain: name, statements } }))];
  });
}

/** All that a kernel must know. */
export const SKELETON: readonly Change[] = [
  { kind: "table.add" },
  ...[...SETS.values()].map((set): Change => ({ kind: "set.add", set })),
  ...joining(new Set(), [...SETS.keys()]),
];
