/**
 * The balancer's table as changes for os/nftables, statement by statement: what lb-programmer's skeleton.ts and parts.ts write as text. Rules
 * have the same comments, so that nft must list the two alike.
 */
import { fingerprint } from "../../../src/lb-programmer/backends/nftables/fingerprint.ts";
import { otherElements, type Parts, serverParts } from "../../../src/lb-programmer/backends/nftables/parts.ts";
import { BASES, CONTAINERS } from "../../../src/lb-programmer/backends/nftables/skeleton.ts";
import type { LbState, VirtualServer } from "../../../src/lb-programmer/state.ts";
import type { TypeName } from "../../../src/os/nftables/datatype.ts";
import type { Key, Statement } from "../../../src/os/nftables/statement.ts";
import type { Base, Change, Element, NamedSet } from "../../../src/os/nftables/types.ts";

type Rule = readonly Statement[];
type Family = "ip" | "ip6";

const FAMILIES = ["ip", "ip6"] as const;
const digit = (family: Family): 4 | 6 => (family === "ip" ? 4 : 6);

const transport: Statement = { kind: "one of", what: "meta l4proto", values: ["tcp", "udp", "sctp"] };
const PORT = ["meta l4proto", "th dport"] as const;
const local: Statement = { kind: "match", what: "fib daddr type", is: "local" };
const translated: Statement = { kind: "match", what: "ct status", is: "dnat" };
const back: Statement = { kind: "verdict", verdict: "return" };
const masquerade: Statement = { kind: "masquerade" };
const nfproto = (family: Family): Statement => ({ kind: "match", what: "meta nfproto", is: `ipv${digit(family)}` });
const dnat = (family: Family, key: readonly Key[], map: string): Statement => ({
  kind: "nat",
  type: "dnat",
  family,
  to: { key, map, port: true },
});
const both = (rules: (family: Family) => readonly Rule[]): readonly Rule[] => FAMILIES.flatMap(rules);

const refused = (match: readonly Statement[]): readonly Rule[] => [
  [transport, ...match, { kind: "match", what: "meta l4proto", is: "tcp" }, { kind: "reject", with: "tcp reset" }],
  [transport, ...match, { kind: "reject", with: "icmpx port-unreachable" }],
];
const refusedVips = both((f) => refused([{ kind: "in set", key: [`${f} daddr`], set: `refused${digit(f)}` }]));
const led = (map: string) =>
  both((f) => [[transport, { kind: "vmap", key: [`${f} daddr`], map: `${map}${digit(f)}` }]]);

const RULES: Readonly<Record<string, readonly Rule[]>> = {
  guarding: (["ip daddr", "ip saddr"] as const).map((what) => [
    { kind: "match", what, is: "127.0.0.0/8" },
    { kind: "in set", key: ["iifname"], set: "bridges" },
    { kind: "verdict", verdict: "drop" },
  ]),
  leaving: [
    ...led("local"),
    ...both((f) => [
      [
        { kind: "match", what: f === "ip" ? "icmp type" : "icmpv6 type", is: "echo-request" },
        { kind: "in set", key: [`${f} daddr`], set: `ping${digit(f)}` },
        { kind: "redirect" },
      ],
    ]),
    [local, dnat("ip", PORT, "host4")],
    [local, { kind: "match", what: "ip6 daddr", is: "::1", not: true }, dnat("ip6", PORT, "host6")],
  ],
  entering: [
    ...led("arriving"),
    ...both((f) => [[nfproto(f), local, { kind: "vmap", key: PORT, map: `ports${digit(f)}` }]]),
    ...both((f) => [[dnat(f, [`${f} daddr`, ...PORT], `redirects${digit(f)}`)]]),
    ...both((f) => [[local, dnat(f, PORT, `host${digit(f)}`)]]),
  ],
  passed: [
    ...both((f) => [[{ kind: "in set", key: [`ct original ${f} daddr`], set: `kept${digit(f)}` }, back]]),
    ...both((f) =>
      ["tcp", "udp", "sctp"].map((protocol) => [
        nfproto(f),
        { kind: "match", what: "meta l4proto", is: protocol },
        { kind: "in set", key: ["ct original proto-dst"], set: `kept-${protocol}${digit(f)}` },
        back,
      ]),
    ),
    ...both((f) => [
      [translated, { kind: "in set", key: [`ct original ${f} daddr`], set: `direct${digit(f)}` }, masquerade],
    ]),
    ...both((f) => [
      [translated, { kind: "nat", type: "snat", family: f, to: { key: [`${f} daddr`], map: `snats${digit(f)}` } }],
    ]),
    [
      translated,
      { kind: "in set", key: ["oifname"], set: "bridges" },
      { kind: "match", what: "fib saddr type", is: "local" },
      masquerade,
    ],
    [translated, { kind: "in set", key: ["iifname", "oifname"], set: "hairpins" }, masquerade],
  ],
  "refuse-leaving": refusedVips,
  "refuse-entering": [
    [translated, back],
    [{ kind: "match", what: "ct direction", is: "reply" }, back],
    ...refusedVips,
    ...both((f) => refused([nfproto(f), { kind: "in set", key: PORT, set: `refused-ports${digit(f)}` }])),
  ],
  "refuse-passing": refusedVips,
};

/** The skeleton and a whole state on it. */
export function changesOf(state: LbState): readonly Change[] {
  const servers = state.servers.map((server) => ({ server, parts: serverParts(server) }));
  const elements = [...otherElements(state), ...servers.flatMap(({ parts }) => parts.elements)];
  const sets = new Map([...CONTAINERS].map(([name, text]) => [name, namedSet(name, text)]));
  for (const { in: name } of elements) if (!sets.has(name)) sets.set(name, slotMap(name));
  for (const { server, parts } of servers)
    for (const name of parts.sets.keys()) sets.set(name, clientSet(name, server));
  return [
    { kind: "table.add" },
    ...[...sets.values()].map((set) => ({ kind: "set.add", set }) as const),
    ...Object.entries(BASES).map(
      ([name, { hook }]) => ({ kind: "chain.add", chain: { name, base: baseOf(hook) } }) as const,
    ),
    ...servers.flatMap(({ parts }) =>
      [...parts.chains.keys()].map((name) => ({ kind: "chain.add", chain: { name } }) as const),
    ),
    ...Object.entries(RULES).flatMap(([chain, rules]) => rulesOf(chain, rules, BASES[chain]!.rules)),
    ...servers.flatMap(({ server, parts }) => serverRules(server, parts)),
    ...[...sets.values()].map(
      (set) => ({ kind: "elements.add", set, elements: elements.filter((e) => e.in === set.name) }) as const,
    ),
  ];
}

const rulesOf = (chain: string, rules: readonly Rule[], texts: readonly string[]): readonly Change[] => {
  if (rules.length !== texts.length) throw new Error(`${chain}: ${rules.length} rules, ${texts.length} as text`);
  return rules.map((statements, i) => ({
    kind: "rule.add",
    rule: { chain, statements, comment: fingerprint(texts[i]!) },
  }));
};

/** As parts.ts has it in text: which rules there are is seen from there, and their numbers. */
function serverRules(server: VirtualServer, { chains }: Parts): readonly Change[] {
  const family: Family = server.vip.includes(":") ? "ip6" : "ip";
  const saddr = `${family} saddr` as const;
  const statements = (text: string): Rule => {
    const [, mode, mod, offset, kind, map] =
      /(numgen inc|jhash) .*?mod (\d+).* offset (\d+) (v?map) @(\S+)$/.exec(text) ?? [];
    const number = { mod: Number(mod), offset: Number(offset) };
    const key: Key = mode === "jhash" ? { jhash: saddr, seed: 0x11, ...number } : { numgen: "inc", ...number };
    const [, clients, next] = /saddr @(\S+) (goto \S+)$/.exec(text) ?? [];
    const [, updated] = /^update @(\S+) /.exec(text) ?? [];
    if (kind === "vmap") return [{ kind: "vmap", key: [key], map: map! }];
    if (kind === "map") return [{ kind: "nat", type: "dnat", family, to: { key: [key], map: map! } }];
    if (next !== undefined)
      return [
        { kind: "in set", key: [saddr], set: clients! },
        { kind: "verdict", verdict: next as `goto ${string}` },
      ];
    if (updated !== undefined) return [{ kind: "update", set: updated, key: [saddr] }];
    return [{ kind: "nat", type: "dnat", family, to: text.split(" ").at(-1)! }];
  };
  return [...chains].flatMap(([chain, texts]) => rulesOf(chain, texts.map(statements), texts));
}

/** "map mark . ipv4_addr : mark" */
function namedSet(name: string, text: string): NamedSet {
  const [key = "", value] = text.replace(" interval", "").split(" ").slice(1).join(" ").split(" : ");
  const types = (part: string) => part.split(" . ") as TypeName[];
  return {
    name,
    key: types(key),
    ...(value !== undefined && { value: value === "verdict" ? value : types(value) }),
    ...(text.endsWith(" interval") && { interval: true }),
  };
}

const slotMap = (name: string): NamedSet => ({
  name,
  key: ["number"],
  value: name.startsWith("turns") ? "verdict" : [name.startsWith("slots6") ? "ipv6_addr" : "ipv4_addr"],
});

const clientSet = (name: string, { vip, affinity }: VirtualServer): NamedSet => ({
  name,
  key: [vip.includes(":") ? "ipv6_addr" : "ipv4_addr"],
  dynamic: { size: 65_535, timeout: affinity },
});

/** "type nat hook output priority -105;" */
function baseOf(text: string): Base {
  const [, type, , hook, , priority] = text.split(/[ ;]/);
  return { type: type as Base["type"], hook: hook as Base["hook"], priority: Number(priority), policy: "accept" };
}

/** As elements are read: protocols by name. */
export const asRead = ({ key, value, comment }: Element) => ({
  key: key.replace(
    /(?<=^| )(6|17|132) \. /,
    (_, number) => `${{ 6: "tcp", 17: "udp", 132: "sctp" }[number as "6"]} . `,
  ),
  value,
  comment,
});
