/** What rules, sets and elements are in text, as octets, and as the kernel's expressions; needs no kernel. */
import { describe, expect, test } from "vitest";
import { parseAttributes, parseMessages } from "../../src/os/netlink/read.ts";
import { MessageWriter } from "../../src/os/netlink/write.ts";
import { keepOctets, writeBatch } from "../../src/os/nftables/batch.ts";
import { compile } from "../../src/os/nftables/compile.ts";
import { idOf, octetsOf, sizeOf, type TypeName, textOf } from "../../src/os/nftables/datatype.ts";
import { elementsOf, parseElements } from "../../src/os/nftables/element.ts";
import { parseExpressions } from "../../src/os/nftables/expression.ts";
import type { Family } from "../../src/os/nftables/message.ts";
import { next, rangeOf, rangesOf, rangesText, rangeText } from "../../src/os/nftables/range.ts";
import { ruleText, type Statement } from "../../src/os/nftables/statement.ts";
import { changeText } from "../../src/os/nftables/text.ts";
import type { Change, NamedSet } from "../../src/os/nftables/types.ts";
import { commentIn, commentOctets } from "../../src/os/nftables/userdata.ts";
import { hex } from "../support/text.ts";

const toHex = (octets: string): string => Buffer.from(octets, "latin1").toString("hex");
const fromHex = (text: string): string => hex(text).toString("latin1");
const types = (text: string): readonly TypeName[] => text.split(" . ") as TypeName[];

test.each([
  ["ipv4_addr", "10.0.1.5", "0a000105"],
  ["ipv6_addr", "fd00:1::5", "fd000001000000000000000000000005"],
  ["inet_service", "8080", "1f90"],
  ["inet_proto", "tcp", "06"],
  ["inet_proto", "47", "2f"],
  ["mark", "258", "02010000"],
  ["mark", "4294967295", "ffffffff"],
  ["number", "262144", "00000400"],
  ["ifname", '"eth0"', "65746830000000000000000000000000"],
  ["ifname", '"a . b"', "61202e20620000000000000000000000"],
  ["inet_proto . inet_service", "tcp . 8080", "06000000 1f900000"],
  ["mark . ipv6_addr", "256 . ::1", "00010000 00000000000000000000000000000001"],
  ["ct_status", "dnat", "20000000"],
])("a value of %s: %s is %s, and back", (type, text, octets) => {
  expect(toHex(octetsOf(types(type), text))).toBe(octets.replaceAll(" ", ""));
  expect(textOf(types(type), fromHex(octets))).toBe(text);
  expect(sizeOf(types(type))).toBe(hex(octets).length);
});

test("numbers have several texts, of which one is read", () => {
  expect(octetsOf(["inet_proto"], "6")).toBe(octetsOf(["inet_proto"], "tcp"));
  expect(octetsOf(["inet_service"], "0080")).toBe(octetsOf(["inet_service"], "80"));
});

test.each([
  ["ipv4_addr", "fd00::1"],
  ["ipv4_addr", "10.0.0"],
  ["inet_service", "65536"],
  ["inet_service", "-1"],
  ["inet_service", "http"],
  ["mark", "4294967296"],
  ["mark", "constructor"],
  ["ifname", "eth0"],
  ["ifname", '"a-name-of-16-oct"'],
  ["ifname", '""'],
  ["inet_proto . inet_service", "tcp"],
  ["inet_proto . inet_service", "tcp . 80 . 80"],
])("%s: %s is none", (type, text) => {
  expect(() => octetsOf(types(type), text)).toThrow(`is no ${type}`);
});

test("types of concatenations have nft's numbers", () => {
  expect([
    idOf(["mark"]),
    idOf(["inet_proto", "inet_service"]),
    idOf(["ipv4_addr", "inet_proto", "inet_service"]),
  ]).toEqual([19, 781, 29_453]);
});

test.each([
  ["ipv4_addr", "10.0.1.0/24", "0a000100", "0a000200"],
  ["ipv4_addr", "10.0.1.7", "0a000107", "0a000108"],
  ["ipv4_addr", "10.0.0.5-10.0.1.3", "0a000005", "0a000104"],
  ["ipv4_addr", "255.0.0.0/8", "ff000000", undefined],
  ["ipv4_addr", "0.0.0.0/0", "00000000", undefined],
  ["ipv6_addr", "fd00:1::/64", "fd000001000000000000000000000000", "fd000001000000010000000000000000"],
  ["inet_service", "80-90", "0050", "005b"],
  ["inet_service", "65535", "ffff", undefined],
])("a range of %s: %s from %s up to before %s", (type, text, first, after) => {
  const range = rangeOf(types(type), text);
  expect([toHex(range[0]), after]).toEqual([first, after]);
  expect(next(range[1])).toBe(after === undefined ? undefined : fromHex(after));
  expect(rangeText(types(type), range[0], next(range[1]))).toBe(text);
});

test.each(["10.0.1.1/24", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0-", "/8", ""])("%s is no range", (text) => {
  expect(() => rangeOf(["ipv4_addr"], text)).toThrow();
});

test.each([
  ["inet_proto . inet_service", "tcp . 8000-8010", "06000000 1f400000", "06000000 1f4a0000"],
  ["inet_proto . inet_service", "udp . 80", "11000000 00500000", "11000000 00500000"],
  ["ipv4_addr . inet_service", "10.0.0.0/8 . 1-65535", "0a000000 00010000", "0affffff ffff0000"],
])("a range of %s: %s is from %s to %s, and back", (type, text, first, last) => {
  expect(rangesOf(types(type), text).map(toHex)).toEqual([first, last].map((octets) => octets.replaceAll(" ", "")));
  expect(rangesText(types(type), fromHex(first), fromHex(last))).toBe(text);
});

test("ranges of other types, or of more parts or fewer, are none", () => {
  expect(() => rangesOf(["inet_proto", "inet_service"], "80")).toThrow('"80" is no range of inet_proto . inet_service');
  expect(() => rangesOf(["mark", "inet_service"], "1 . 80")).toThrow();
  expect(rangesText(["inet_proto", "inet_service"], fromHex("06000000"), fromHex("06000000"))).toBeUndefined();
  expect(rangesText(["inet_proto"], fromHex("06"), "")).toBeUndefined();
});

describe("intervals as elements", () => {
  test("of concatenations: one element each, with its last key", () => {
    const set: NamedSet = { name: "ports", key: ["inet_proto", "inet_service"], value: "verdict", interval: true };
    const elements = ["tcp . 8000-8010", "udp . 80"].map((key) => ({ key, value: "goto s-256" }));
    const { messages } = writeBatch("t", [{ kind: "elements.add", set, elements }]);
    const [, message] = parseMessages(messages.octets);
    const read = (of: NamedSet) => elementsOf(of, parseElements(message!.payload.subarray(4), of));
    expect(read(set)).toEqual(elements);
    const { interval: _, ...plain } = set; // an element that has a last key is none of such a set
    expect(read(plain).map(({ key }) => key)).toEqual(["?", "?"]);
  });

  test.each<[string, NamedSet, readonly string[]]>([
    ["addresses", { name: "m", key: ["ipv4_addr"], value: "counter" }, ["10.0.0.1", "10.0.0.2"]],
    ["ranges", { name: "m", key: ["inet_service"], value: "counter", interval: true }, ["80", "90-99"]],
    [
      "ranges of concatenations",
      { name: "m", key: ["inet_proto", "inet_service"], value: "counter", interval: true },
      ["tcp . 80", "udp . 90-99"],
    ],
  ])("in a map from %s to counters, by their names", (_, set, keys) => {
    const elements = keys.map((key, i) => ({ key, value: `b-${i}` }));
    const { messages } = writeBatch("t", [{ kind: "elements.add", set, elements }]);
    const [, message] = parseMessages(messages.octets);
    const read = (of: NamedSet) => elementsOf(of, parseElements(message!.payload.subarray(4), of));
    expect(read(set)).toEqual(elements);
    // An element that has a counter is none of another map.
    expect(read({ ...set, value: "verdict" }).map(({ key }) => key)).not.toEqual(keys);
  });

  const set: NamedSet = { name: "snats4", key: ["ipv4_addr"], value: ["ipv4_addr"], interval: true };
  test("what is written is read, whatever the order, adjacent ranges too", () => {
    const elements = ["10.0.2.0/24", "10.0.1.0/24", "10.0.3.0", "255.0.0.0/8"].map((key) => ({
      key,
      value: "10.9.9.9",
    }));
    const { messages } = writeBatch("t", [{ kind: "elements.add", set, elements }]);
    const [, message] = parseMessages(messages.octets);
    const raw = parseElements(message!.payload.subarray(4), set);
    expect(raw).toHaveLength(7); // the last range goes up to the end
    const sorted = elements.toSorted((a, b) => (a.key < b.key ? -1 : 1));
    expect(elementsOf(set, raw)).toEqual(sorted);
    expect(elementsOf(set, raw.toReversed())).toEqual(sorted);
  });
});

const PROTOCOLS: Statement = { kind: "one of", what: "meta l4proto", values: ["tcp", "udp", "sctp"] };
test.each<[string, readonly Statement[], string]>([
  [
    "meta l4proto { tcp, udp, sctp } ip daddr vmap @local4",
    [PROTOCOLS, { kind: "vmap", key: ["ip daddr"], map: "local4" }],
    "l4proto=>1 {06 11 84}[1] nfproto=>1 eq[1]02 network+16/4=>1 @local4[1]=>0",
  ],
  [
    "icmp type echo-request ip daddr @ping4 redirect",
    [
      { kind: "match", what: "icmp type", is: "echo-request" },
      { kind: "in set", key: ["ip daddr"], set: "ping4" },
      { kind: "redirect" },
    ],
    "nfproto=>1 eq[1]02 l4proto=>1 eq[1]01 transport+0/1=>1 eq[1]08 network+16/4=>1 @ping4[1] redir",
  ],
  [
    "dnat ip6 to ip6 daddr . meta l4proto . th dport map @redirects6",
    [
      {
        kind: "nat",
        type: "dnat",
        family: "ip6",
        to: { key: ["ip6 daddr", "meta l4proto", "th dport"], map: "redirects6", port: true },
      },
    ],
    "nfproto=>1 eq[1]0a network+24/16=>1 l4proto=>2 transport+2/2=>13 @redirects6[1]=>1 dnat ip6 1:2",
  ],
  [
    "ct status dnat iifname . oifname @hairpins masquerade",
    [
      { kind: "match", what: "ct status", is: "dnat" },
      { kind: "in set", key: ["iifname", "oifname"], set: "hairpins" },
      { kind: "masquerade" },
    ],
    "ct status=>1 &20000000^00000000 neq[1]00000000 iifname=>1 oifname=>2 @hairpins[1] masq",
  ],
  [
    "ct mark & 0xfff00000 == 0xe1100000 masquerade",
    [{ kind: "marked", bits: 0xfff00000, mark: 0xe1100000 }, { kind: "masquerade" }],
    "ct mark=>1 &0000f0ff^00000000 eq[1]000010e1 masq",
  ],
  [
    "ct mark set ct mark & 0x000fffff | 0xe1100000",
    [{ kind: "set mark", bits: 0xfff00000, mark: 0xe1100000 }],
    "ct mark=>1 &ffff0f00^000010e1 ct mark<=1",
  ],
  [
    "dnat ip to jhash ip saddr mod 2 seed 0x11 offset 1024 map @slots",
    [
      {
        kind: "nat",
        type: "dnat",
        family: "ip",
        to: { key: [{ jhash: "ip saddr", mod: 2, seed: 0x11, offset: 1024 }], map: "slots" },
      },
    ],
    "nfproto=>1 eq[1]02 network+12/4=>2 hash[2/4]%2+1024=>1 @slots[1]=>1 dnat ip 1",
  ],
  [
    "numgen random mod 3 vmap @turns",
    [{ kind: "vmap", key: [{ numgen: "random", mod: 3, offset: 0 }], map: "turns" }],
    "random%3+0=>1 @turns[1]=>0",
  ],
  [
    "ip6 daddr != ::1 counter dnat ip6 to fd00::5",
    [
      { kind: "match", what: "ip6 daddr", is: "::1", not: true },
      { kind: "counter" },
      { kind: "nat", type: "dnat", family: "ip6", to: "fd00::5" },
    ],
    "nfproto=>1 eq[1]0a network+24/16=>1 neq[1]00000000000000000000000000000001 counter 1=fd000000000000000000000000000005 dnat ip6 1",
  ],
  [
    "ip daddr 127.0.0.11 meta l4proto udp th dport 53 dnat ip to 127.0.0.11:40001",
    [
      { kind: "match", what: "ip daddr", is: "127.0.0.11" },
      { kind: "match", what: "meta l4proto", is: "udp" },
      { kind: "match", what: "th dport", is: "53" },
      { kind: "nat", type: "dnat", family: "ip", to: { address: "127.0.0.11", port: 40001 } },
    ],
    "nfproto=>1 eq[1]02 network+16/4=>1 eq[1]7f00000b l4proto=>1 eq[1]11 transport+2/2=>1 eq[1]0035 1=7f00000b 2=9c41 dnat ip 1:2",
  ],
  [
    "meta l4proto tcp th sport 40001 snat ip6 to [fd00::b]:53",
    [
      { kind: "match", what: "meta l4proto", is: "tcp" },
      { kind: "match", what: "th sport", is: "40001" },
      { kind: "nat", type: "snat", family: "ip6", to: { address: "fd00::b", port: 53 } },
    ],
    "l4proto=>1 eq[1]06 transport+0/2=>1 eq[1]9c41 1=fd00000000000000000000000000000b 2=0035 snat ip6 1:2",
  ],
  [
    "counter name s-256 drop",
    [
      { kind: "count", counter: "s-256" },
      { kind: "verdict", verdict: "drop" },
    ],
    "counter s-256 drop",
  ],
  [
    "ct status dnat meta l4proto != icmp counter name ct original ip daddr map @bytes4 return",
    [
      { kind: "match", what: "ct status", is: "dnat" },
      { kind: "match", what: "meta l4proto", is: "icmp", not: true },
      { kind: "count", counter: { key: ["ct original ip daddr"], map: "bytes4" } },
      { kind: "verdict", verdict: "return" },
    ],
    "ct status=>1 &20000000^00000000 neq[1]00000000 l4proto=>1 neq[1]01 ct ip daddr=>1 counter @bytes4[1] return",
  ],
  [
    "ct state new meta mark @idle4 tcp flags syn / fin,syn,rst,ack reject with tcp reset",
    [
      { kind: "match", what: "ct state", is: "new" },
      { kind: "in set", key: ["meta mark"], set: "idle4" },
      { kind: "opens" },
      { kind: "reject", with: "tcp reset" },
    ],
    "ct state=>1 &08000000^00000000 neq[1]00000000 mark=>1 @idle4[1] l4proto=>1 eq[1]06 transport+13/1=>1 &17^00 eq[1]02 reject tcp reset",
  ],
  [
    "meta mark set ip daddr . meta l4proto . th dport map @marks4",
    [{ kind: "set meta mark", key: ["ip daddr", "meta l4proto", "th dport"], map: "marks4" }],
    "nfproto=>1 eq[1]02 network+16/4=>1 l4proto=>9 transport+2/2=>10 @marks4[1]=>1 mark<=1",
  ],
  [
    "meta nfproto ipv4 ip saddr @clients update @clients { ip saddr } goto t-1",
    [
      { kind: "match", what: "meta nfproto", is: "ipv4" },
      { kind: "in set", key: ["ip saddr"], set: "clients" },
      { kind: "update", set: "clients", key: ["ip saddr"] },
      { kind: "verdict", verdict: "goto t-1" },
    ],
    "nfproto=>1 eq[1]02 network+12/4=>1 @clients[1] network+12/4=>1 update@clients[1] goto t-1",
  ],
])("%s", (text, statements, program) => {
  expect(ruleText(statements)).toBe(text);
  expect(compile(statements).map(expressionText).join(" ")).toBe(program);
});

test.each<[family: Family, what: "ip daddr" | "ip6 daddr", program: string]>([
  ["inet", "ip daddr", "nfproto=>1 eq[1]02 network+16/4=>1 @x[1]"],
  ["ip", "ip daddr", "network+16/4=>1 @x[1]"],
  ["ip6", "ip6 daddr", "network+24/16=>1 @x[1]"],
])("in a table of family %s, %s needs no more than that", (family, what, program) => {
  const statements: Statement[] = [{ kind: "in set", key: [what], set: "x" }];
  expect(compile(statements, family).map(expressionText).join(" ")).toBe(program);
});

function expressionText(e: ReturnType<typeof compile>[number]): string {
  switch (e.kind) {
    case "meta":
      if (e.from !== undefined) return `${e.key}<=${e.from}`;
      return `${e.key}=>${e.register}`;
    case "payload":
      return `${e.base}+${e.offset}/${e.length}=>${e.register}`;
    case "ct":
      return e.from === undefined ? `ct ${e.key}=>${e.register}` : `ct ${e.key}<=${e.from}`;
    case "fib":
      return `fib ${e.of}=>${e.register}`;
    case "cmp":
      return `${e.op}[${e.register}]${toHex(e.value)}`;
    case "bitwise":
      return `&${toHex(e.mask)}^${toHex(e.xor)}`;
    case "lookup": {
      const set = typeof e.set === "string" ? `@${e.set}` : `{${e.set.values.map(toHex).join(" ")}}`;
      return `${set}[${e.register}]${e.into === undefined ? "" : `=>${e.into}`}`;
    }
    case "immediate":
      return e.verdict ?? `${e.register}=${toHex(e.value ?? "")}`;
    case "numgen":
      return `${e.mode}%${e.mod}+${e.offset}=>${e.register}`;
    case "hash":
      return `hash[${e.from}/${e.length}]%${e.mod}+${e.offset}=>${e.register}`;
    case "nat":
      return `${e.type} ${e.family} ${e.address}${e.port === undefined ? "" : `:${e.port}`}`;
    case "dynset":
      return `${e.op}@${e.set}[${e.key}]`;
    case "reject":
      return `reject ${e.type}`;
    case "objref":
      return e.set === undefined ? `${e.type} ${e.name}` : `counter @${e.set}[${e.register}]`;
    case "masq":
    case "redir":
    case "counter":
      return e.kind;
  }
}

test("a rule of nft's, as the kernel gave it back", () => {
  const expressions = parseExpressions(
    parseAttributes(
      hex(`24000100 09000100 6d65746100000000 14000200 08000200 0000000f 08000100 00000001
         2c000100 08000100 636d7000 20000200 08000100 00000001 08000200 00000000 0c000300 05000100 02000000
         34000100 0c000100 7061796c6f616400 24000200 08000100 00000001 08000200 00000001 08000300 00000010 08000400 00000004
         38000100 0b000100 6c6f6f6b75700000 28000200 0b000100 6c6f63616c340000
         08000200 00000001 08000300 00000000 08000500 00000000`),
    ),
  );
  expect(expressions).toEqual(compile([{ kind: "vmap", key: ["ip daddr"], map: "local4" }]));
  expect(parseExpressions(parseAttributes(hex("10000100 0c000100 636f6e7374727563"))).map(({ kind }) => kind)).toEqual([
    "unknown",
  ]);
});

test.each<[string, Change]>([
  ["add table inet t", { kind: "table.add" }],
  ["delete chain inet t c", { kind: "chain.delete", chain: "c" }],
  [
    "add chain inet t c { type nat hook output priority -105; policy accept; }",
    {
      kind: "chain.add",
      chain: { name: "c", base: { type: "nat", hook: "output", priority: -105, policy: "accept" } },
    },
  ],
  [
    "add map inet t m { type mark . ipv4_addr : verdict; }",
    { kind: "set.add", set: { name: "m", key: ["mark", "ipv4_addr"], value: "verdict" } },
  ],
  [
    "add map inet t m { typeof numgen inc mod 2 : ip daddr; }",
    { kind: "set.add", set: { name: "m", key: ["number"], value: ["ipv4_addr"] } },
  ],
  [
    "add map inet t m { type inet_service : counter; flags interval; }",
    { kind: "set.add", set: { name: "m", key: ["inet_service"], value: "counter", interval: true } },
  ],
  [
    "add set inet t s { type ipv4_addr; size 65535; flags dynamic,timeout; timeout 60s; }",
    { kind: "set.add", set: { name: "s", key: ["ipv4_addr"], dynamic: { size: 65_535, timeout: 60 } } },
  ],
  [
    "add rule inet t c ip saddr . th dport != @s drop",
    {
      kind: "rule.add",
      rule: {
        chain: "c",
        statements: [
          { kind: "not in set", key: ["ip saddr", "th dport"], set: "s" },
          { kind: "verdict", verdict: "drop" },
        ],
      },
    },
  ],
  [
    'add element inet t s { 10.0.0.0/8 comment "x" : 10.0.0.1, 11.0.0.1 : 10.0.0.1 }',
    {
      kind: "elements.add",
      set: { name: "s", key: ["ipv4_addr"], value: ["ipv4_addr"], interval: true },
      elements: [
        { key: "10.0.0.0/8", value: "10.0.0.1", comment: "x" },
        { key: "11.0.0.1", value: "10.0.0.1" },
      ],
    },
  ],
])("%s", (text, change) => {
  expect(changeText("t", change)).toBe(text);
});

test("a batch, octet by octet", () => {
  const { messages, changes } = writeBatch("t", [{ kind: "table.add" }, { kind: "chain.delete", chain: "c" }], 7);
  const words = messages.octets
    .toString("hex")
    .replace(/(.{8})/g, "$1 ")
    .trim();
  expect(words).toBe(
    [
      "1c000000 10000000 00000000 00000000 0000000a 08000100 00000007", // BEGIN, generation 7
      "24000000 000a0004 00000000 00000000 01000000 06000100 74000000 08000200 00000000", // table t
      "24000000 050a0000 00000000 00000000 01000000 06000100 74000000 06000300 63000000", // chain c
      "14000000 11000000 00000000 00000000 0000000a", // END
    ].join(" "),
  );
  expect(changes).toEqual([-1, 0, 1, -1]);
});

test("what is written again is the same octets, wherever it stands and in whichever table", () => {
  const first = { kind: "set.add", set: { name: "s", key: ["ipv4_addr"] } } as const satisfies Change;
  const values = ["tcp", "udp"];
  const again: Change = {
    kind: "rule.add",
    rule: { chain: "c", statements: [{ kind: "one of", what: "meta l4proto", values }] },
  };
  const elements: Change = {
    kind: "elements.add",
    set: first.set,
    elements: [{ key: "10.0.0.1" }, { key: "10.0.0.2" }],
  };
  const octets = (table: string, changes: readonly Change[], family?: Family): string =>
    writeBatch(table, changes, undefined, family).messages.octets.toString("hex");
  const batches: readonly (readonly [string, readonly Change[], Family?])[] = [
    ["t", [again]],
    ["t", [first, again]],
    ["t", [again, first, again]],
    ["t", [first, elements, again, elements]],
    ["other", [again]],
    ["t", [again], "ip"],
  ];
  keepOctets([first, again, elements]);
  for (let i = 0; i < 3; i++)
    for (const [table, changes, family] of batches) {
      const { messages } = writeBatch(table, changes, undefined, family);
      expect(octets(table, changes, family)).toBe(octets(table, structuredClone(changes), family));
      expect(messages.starts).toEqual(writeBatch(table, structuredClone(changes), undefined, family).messages.starts);
    }
});

test("comments are nft's, and as long as nft's may be", () => {
  expect(toHex(commentOctets("web"))).toBe("000477656200");
  expect(toHex(commentOctets("wëb"))).toBe("000577c3ab6200");
  expect(commentIn(hex("0102aabb 0004 77656200"))).toBe("web");
  expect([commentIn(hex("0004 77")), commentIn(hex("00")), commentIn(hex("01ff")), commentIn(undefined)]).toEqual([
    "w",
    undefined,
    undefined,
    undefined,
  ]);
  expect(() => commentOctets("x".repeat(128))).toThrow("a comment of 128 octets: 127 are possible");
  expect(new MessageWriter().raw(6, commentOctets("x".repeat(127))).octets).toHaveLength(4 + 2 + 128 + 2);
});
