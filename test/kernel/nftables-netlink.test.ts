/** nf_tables by netlink, next to nft: what we write it lists as if it had written it, and what it writes we read as if we had. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MARKS } from "../../src/lb-programmer/backends/ipvs/table/parts.ts";
import { SKELETON } from "../../src/lb-programmer/backends/nftables/skeleton.ts";
import { exec } from "../../src/os/exec.ts";
import { NETLINK_NETFILTER, Netlink } from "../../src/os/netlink/connection.ts";
import { inNetns } from "../../src/os/netns.ts";
import { commit } from "../../src/os/nftables/batch.ts";
import { type Ruleset, readRuleset } from "../../src/os/nftables/ruleset.ts";
import { changeText } from "../../src/os/nftables/text.ts";
import type { Change, NamedSet } from "../../src/os/nftables/types.ts";
import { parseState } from "../lb-programmer/state-text.ts";
import { readBack, tableOf } from "../support/nftables-table.ts";
import { freshNamespace, type Namespace, privileged } from "./namespaces.ts";

const STATE = parseState(`
  server web/mynet/4 10.0.1.4 mark 256 local rr
    10.0.1.5 1
    10.0.1.6 1
    10.0.1.7 0
  server stay/mynet/4 10.0.1.8 mark 257 local rr affinity 3600
    10.0.1.5 1
    10.0.1.6 1
  server web/mynet/6 fd00:1::4 mark 258 arriving wrr
    fd00:1::5 3
    fd00:1::6 1
  server stay/mynet/6 fd00:1::9 mark 700 arriving sh affinity 60
    fd00:1::5 3
    fd00:1::6 1
  server hash/mynet/6 fd00:1::a mark 701 arriving sh
    fd00:1::5 3
    fd00:1::6 1
  server hash/mynet/4 10.0.1.11 mark 702 arriving mh direct
    10.0.1.5 1
    10.0.1.6 1
  server none/mynet/4 10.0.1.12 mark 703 arriving mh direct
  server one/mynet/4 10.0.1.13 mark 4194303 local rr
    10.0.1.5 1
  server pub/ingress/4 10.0.0.3 mark 259 published tcp/8080,udp/5353 rr
    10.0.0.4 1
    10.0.0.5 1
  server pub/ingress/4/local-${"x".repeat(150)} 10.0.0.3 mark 260 published sctp/9000 rr keep-source
    10.0.0.4 1
  address 10.0.1.4 lo
  address fd00:1::4 lo
  address 10.0.1.11 eth0
  address fd00:1::a eth0
  snat 10.0.1.0/24 to 10.0.1.3
  snat 10.0.2.0/24 to 10.0.2.3
  snat 10.0.3.4/32 to 10.0.1.3
  snat 255.0.0.0/8 to 10.0.1.3
  snat fd00:1::/64 to fd00:1::3
  redirect 10.0.0.4 tcp 8080 to 80
  redirect fd00::4 sctp 8080 to 80
  published tcp 8080 to 172.18.0.2 8080 over docker_gwbridge
  published sctp 9000 to fd18::2 9000 over a-15-octet-name
  server db/mynet/4 10.0.1.30 mark 270 local rr only tcp/5432,udp/6000-6010
    10.0.1.31 1
  server db/mynet/6 fd00:1::30 mark 271 arriving rr only nothing
  server rtp/ingress/4/local 10.0.0.30 mark 272 published udp/10000-10999,udp/9999 rr keep-source
  published udp 10000-10999 to 172.18.0.2 10000 over docker_gwbridge from 10.0.0.0/8,192.0.2.1/32
  published tcp 1-7 to fd18::2 1 over docker_gwbridge from fd00::/8
  published tcp 9090 to 172.18.0.9 80 over docker_gwbridge from nobody
`);

describe.skipIf(!privileged())("nf_tables", () => {
  const namespaces: Namespace[] = [];
  const opened: Netlink[] = [];
  beforeEach(() => {
    namespaces.length = 0;
  });
  afterEach(async () => {
    for (const netlink of opened.splice(0)) netlink.close();
    for (const namespace of namespaces) await namespace.remove();
  });
  async function fresh(): Promise<{
    readonly netlink: Netlink;
    readonly nft: (text: string) => Promise<void>;
    readonly list: () => Promise<unknown>;
    readonly path: string;
  }> {
    const namespace = await freshNamespace("nfn");
    namespaces.push(namespace);
    const netlink = inNetns(namespace.path, () => new Netlink(NETLINK_NETFILTER));
    opened.push(netlink);
    const nft = async (text: string) => {
      const { status, stderr } = await exec("nft", ["-f", "-"], { netns: namespace.path, input: text });
      expect(stderr).toBe("");
      expect(status).toBe(0);
    };
    const list = async () =>
      withoutHandles(JSON.parse(await namespace.run("nft", "-j", "list", "table", "inet", "eleven")));
    return { netlink, nft, list, path: namespace.path };
  }

  const textOf = (changes: readonly Change[]) => changes.map((change) => `${changeText("eleven", change)}\n`).join("");
  const byAddress = { name: "bytes4", key: ["ipv4_addr"], value: "counter" } as const satisfies NamedSet;
  const byPort = { name: "ports", key: ["inet_service"], value: "counter", interval: true } as const satisfies NamedSet;
  const COUNTING: readonly Change[] = [
    { kind: "table.add" },
    ...["b-256", "b-257"].map((counter) => ({ kind: "counter.add", counter }) as const),
    ...[byAddress, byPort].map((set) => ({ kind: "set.add", set }) as const),
    {
      kind: "chain.add",
      chain: { name: "out", base: { type: "filter", hook: "output", priority: 200, policy: "accept" } },
    },
    ...[
      [{ kind: "count", counter: { key: ["ct original ip daddr"], map: "bytes4" } }] as const,
      [
        { kind: "match", what: "meta l4proto", is: "tcp" },
        { kind: "count", counter: { key: ["ct original proto-dst"], map: "ports" } },
      ] as const,
    ].map((statements): Change => ({ kind: "rule.add", rule: { chain: "out", statements } })),
    {
      kind: "elements.add",
      set: byAddress,
      elements: [
        { key: "10.0.0.1", value: "b-256", comment: "web" },
        { key: "10.0.0.2", value: "b-257" },
      ],
    },
    {
      kind: "elements.add",
      set: byPort,
      elements: [
        { key: "80", value: "b-256" },
        { key: "81-99", value: "b-257" },
      ],
    },
  ];
  const TABLES = [
    ["the whole of a state", tableOf(STATE)],
    ["all that there can be, empty", SKELETON.whole()],
    ["the whole of a state, for IPVS", tableOf(STATE, MARKS)],
    ["all that there can be for IPVS, empty", MARKS.skeleton.whole()],
    ["maps to counters", COUNTING],
  ] as const;

  test.each(TABLES)("%s, written by netlink: nft lists it as if it had been told the text", async (_, changes) => {
    const [ours, theirs] = [await fresh(), await fresh()];
    expect(await commit(ours.netlink, "eleven", changes)).toEqual([]);
    await theirs.nft(textOf(changes));
    expect(sorted(await ours.list())).toEqual(sorted(await theirs.list()));
  });

  test.each(TABLES)(
    "%s: what nft wrote is read as what we would have written, and what we wrote, too",
    async (_, changes) => {
      const [ours, theirs] = [await fresh(), await fresh()];
      expect(await commit(ours.netlink, "eleven", changes)).toEqual([]);
      await theirs.nft(textOf(changes));
      const wanted = comparable(readBack(changes)!);
      expect(comparable(readRuleset(ours.netlink, "eleven")!)).toEqual(wanted);
      expect(comparable(readRuleset(theirs.netlink, "eleven")!)).toEqual(wanted);
    },
  );

  test("a counter goes when no element leads to it; an element can't lead to one that is not there", async () => {
    const { netlink } = await fresh();
    expect(await commit(netlink, "eleven", COUNTING)).toEqual([]);
    const gone: Change = { kind: "counter.delete", counter: "b-257" };
    const without: readonly Change[] = [
      { kind: "elements.delete", set: byAddress, elements: [{ key: "10.0.0.2" }] },
      { kind: "elements.delete", set: byPort, elements: [{ key: "81-99" }] },
      gone,
    ];
    const told = async (changes: readonly Change[]) =>
      (await commit(netlink, "eleven", changes)).map(({ text, errno }) => `${text}: ${errnoName(errno)}`);
    expect(await told([gone])).toEqual(["delete counter inet eleven b-257: EBUSY"]);
    expect(await told(without)).toEqual([]);
    expect(readRuleset(netlink, "eleven")).toMatchObject({ counters: ["b-256"] });
    const dangling: Change = { kind: "elements.add", set: byAddress, elements: [{ key: "10.0.0.2", value: "b-257" }] };
    expect(await told([dangling])).toEqual(["add element inet eleven bytes4 { 10.0.0.2 : b-257 }: ENOENT"]);
  });

  const web = { name: "web", key: ["ipv4_addr"], value: "verdict" } as const satisfies NamedSet;
  const small: readonly Change[] = [
    { kind: "table.add" },
    { kind: "set.add", set: web },
    ...["a", "b"].map((name) => ({ kind: "chain.add", chain: { name } }) as const),
    { kind: "elements.add", set: web, elements: [{ key: "10.0.0.1", value: "goto a", comment: "one" }] },
  ];
  const elementsOf = (netlink: Netlink) => readRuleset(netlink, "eleven")?.elements.get("web");

  test("elements are added, added again, exchanged and deleted", async () => {
    const { netlink } = await fresh();
    const add = (key: string, value: string) =>
      ({ kind: "elements.add", set: web, elements: [{ key, value }] }) as Change;
    const remove = (key: string) => ({ kind: "elements.delete", set: web, elements: [{ key }] }) as Change;
    // Deleted by key alone, so a map's element needs no value there.
    expect(await commit(netlink, "eleven", small)).toEqual([]);
    expect(elementsOf(netlink)).toEqual([{ key: "10.0.0.1", value: "goto a", comment: "one" }]);
    expect(await commit(netlink, "eleven", [add("10.0.0.1", "goto a")])).toEqual([]);
    expect(await commit(netlink, "eleven", [remove("10.0.0.1"), add("10.0.0.1", "goto b")])).toEqual([]);
    expect(elementsOf(netlink)).toEqual([{ key: "10.0.0.1", value: "goto b" }]);
    expect(await commit(netlink, "eleven", [remove("10.0.0.1")])).toEqual([]);
    expect(elementsOf(netlink)).toEqual([]);
  });

  test.each<[string, readonly Change[], readonly string[]]>([
    [
      "an element with another value",
      [
        {
          kind: "elements.add",
          set: web,
          elements: [
            { key: "10.0.0.2", value: "goto a" },
            { key: "10.0.0.1", value: "goto b" },
            { key: "10.0.0.3", value: "goto a" },
          ],
        },
      ],
      ["add element inet eleven web { 10.0.0.1 : goto b }: EEXIST"],
    ],
    [
      "an element that is not there, and a chain that is in use",
      [
        { kind: "elements.delete", set: web, elements: [{ key: "10.0.0.9" }] },
        { kind: "chain.delete", chain: "a" },
      ],
      ["delete element inet eleven web { 10.0.0.9 }: ENOENT", "delete chain inet eleven a: EBUSY"],
    ],
    [
      "a rule that looks into what is not there",
      [
        {
          kind: "rule.add",
          rule: { chain: "a", statements: [{ kind: "in set", key: ["ip daddr"], set: "none" }], comment: "x" },
        },
      ],
      ['add rule inet eleven a ip daddr @none comment "x": ENOENT'],
    ],
    [
      "a base chain in place of one that is none",
      [
        {
          kind: "chain.add",
          chain: { name: "a", base: { type: "nat", hook: "output", priority: -5, policy: "accept" } },
        },
      ],
      [expect.stringMatching(/^add chain inet eleven a \{ type nat .* \}: E/) as unknown as string],
    ],
  ])("%s: said of the step, and nothing of the batch is done", async (_, wrong, said) => {
    const { netlink } = await fresh();
    expect(await commit(netlink, "eleven", small)).toEqual([]);
    const before = readRuleset(netlink, "eleven");
    const right: Change = { kind: "chain.add", chain: { name: "c" } };
    const refused = await commit(netlink, "eleven", [right, ...wrong, right]);
    expect(refused.map(({ text, errno }) => `${text}: ${errnoName(errno)}`)).toEqual(said);
    expect(refused.map(({ change }) => change)).toEqual(wrong);
    expect(readRuleset(netlink, "eleven")).toEqual(before);
  });

  test("a batch for another generation than the kernel's is not done", async () => {
    const { netlink } = await fresh();
    await commit(netlink, "eleven", small);
    const { generation } = readRuleset(netlink, "eleven")!;
    const rule: Change = { kind: "rule.add", rule: { chain: "a", statements: [{ kind: "counter" }] } };
    expect(await commit(netlink, "eleven", [rule], generation)).toEqual([]);
    const [refused, ...more] = await commit(netlink, "eleven", [rule], generation);
    expect(refused).toMatchObject({ text: "batch", change: undefined, errno: 85 });
    expect(more).toEqual([]);
  });

  test("thousands of elements in one batch, more than a message or a send buffer holds; all come back", async () => {
    const { netlink } = await fresh();
    const elements = Array.from({ length: 10_000 }, (_, i) => ({
      key: `10.${i >> 8}.${i & 255}.2`,
      value: "goto a",
      comment: `number ${i} ${"x".repeat(80)}`,
    }));
    expect(await commit(netlink, "eleven", [...small, { kind: "elements.add", set: web, elements }])).toEqual([]);
    const found = elementsOf(netlink)!;
    expect(found).toHaveLength(10_001);
    const there = new Set(found.map(({ comment }) => comment));
    expect(elements.filter(({ comment }) => !there.has(comment))).toEqual([]);
    expect(() => readRuleset(netlink, "eleven", { most: 100_000 })).toThrow("E2BIG");
    const wrong = { key: "10.38.0.2", value: "goto b" };
    const refused = await commit(netlink, "eleven", [
      {
        kind: "elements.add",
        set: web,
        elements: [...elements.slice(0, 500).map((e) => ({ ...e, value: "goto a" })), wrong],
      },
    ]);
    expect(refused.map(({ text }) => text)).toEqual([
      changeText("eleven", { kind: "elements.add", set: web, elements: [wrong] }),
    ]);
  });

  test("a set that has just grown: while the kernel still moves its elements, none is missed", async () => {
    const { netlink } = await fresh();
    const elements = Array.from({ length: 8_000 }, (_, i) => ({ key: `10.${i >> 8}.${i & 255}.2`, value: "goto a" }));
    const keys = elements.map(({ key }) => key);
    for (let round = 0; round < 10; round++) {
      const again: Change = { kind: "set.flush", set: "web" };
      expect(await commit(netlink, "eleven", [...small, again, { kind: "elements.add", set: web, elements }])).toEqual(
        [],
      );
      const found = new Set(elementsOf(netlink)!.map(({ key }) => key));
      expect(keys.filter((key) => !found.has(key))).toEqual([]);
      await commit(netlink, "eleven", [again]);
    }
  });

  test("thousands of steps that can't be made: some are said, and nothing is done", async () => {
    const { netlink } = await fresh();
    expect(await commit(netlink, "eleven", small)).toEqual([]);
    const { generation } = readRuleset(netlink, "eleven")!;
    const wrong = Array.from({ length: 3_000 }, (_, i) => ({
      kind: "elements.delete" as const,
      set: web,
      elements: [{ key: `10.9.${i >> 8}.${i & 255}` }],
    }));
    const refused = await commit(netlink, "eleven", [{ kind: "chain.add", chain: { name: "c" } }, ...wrong]);
    expect(refused.length).toBeGreaterThan(50);
    expect(refused[0]).toMatchObject({ errno: 2, text: "delete element inet eleven web { 10.9.0.0 }" });
    expect(readRuleset(netlink, "eleven")!.generation).toBe(generation);
  });

  test("no table is none; a dormant one says so, and is awake after it was added again", async () => {
    const { netlink, nft } = await fresh();
    expect(readRuleset(netlink, "eleven")).toBeUndefined();
    await nft("add table inet eleven { flags dormant; }");
    expect(readRuleset(netlink, "eleven")).toMatchObject({ flags: 1, chains: [], foreign: [] });
    expect(await commit(netlink, "eleven", [{ kind: "table.add" }])).toEqual([]);
    expect(readRuleset(netlink, "eleven")).toMatchObject({ flags: 0 });
    expect(await commit(netlink, "eleven", [{ kind: "table.delete" }])).toEqual([]);
    expect(readRuleset(netlink, "eleven")).toBeUndefined();
  });

  test("what others put there is seen: rules, sets of other types, chains of other kinds", async () => {
    const { netlink, nft } = await fresh();
    await commit(netlink, "eleven", small);
    await nft(`
      add set inet eleven odd { type ether_addr; }
      add set inet eleven aged { type ipv4_addr; flags timeout; }
      add set inet eleven small { type ipv4_addr; size 1; }
      add map inet eleven quotas { type ipv4_addr : quota; }
      add chain inet eleven dev { type filter hook ingress device "lo" priority 0; }
      add rule inet eleven a ip ttl 5 ct state new log prefix "x" drop comment "not ours"
      add rule inet eleven a ip daddr != @aged masquerade random
      add rule inet eleven b meta l4proto { 6-16, 132 } accept
      add element inet eleven web { 10.0.0.7 : drop }`);
    const found = readRuleset(netlink, "eleven")!;
    expect(found.foreign.toSorted()).toEqual(["aged", "dev", "odd", "quotas", "small"]);
    expect(found.elements.get("web")).toContainEqual({ key: "10.0.0.7", value: "drop" });
    const kinds = found.rules
      .get("a")!
      .map(({ comment, expressions }) => [comment, ...expressions.map(({ kind }) => kind)]);
    expect(kinds[0]).toEqual([
      "not ours",
      "meta",
      "cmp",
      "payload",
      "cmp",
      "ct",
      "bitwise",
      "cmp",
      "unknown",
      "immediate",
    ]);
    expect(found.rules.get("a")![1]!.expressions.slice(-2)).toMatchObject([{ flags: 1 }, { kind: "masq", flags: 4 }]);
    // Six and seventeen (the end of a range) and 132: not to be taken for "tcp, udp, sctp".
    const set = expect.stringMatching(/^__set\d+$/);
    expect(found.rules.get("b")![0]!.expressions[1]).toEqual({ kind: "lookup", set, register: 1 });
  });
});

const errnoName = (errno: number) =>
  ({ 2: "ENOENT", 16: "EBUSY", 17: "EEXIST", 95: "EOPNOTSUPP" })[errno] ?? `E${errno}`;

function comparable({ flags, foreign, chains, sets, rules, elements }: Ruleset) {
  return {
    flags,
    foreign,
    chains: byName(chains),
    sets: byName(sets),
    rules: Object.fromEntries(
      [...rules].map(([chain, all]) => [chain, all.map(({ comment, expressions }) => ({ comment, expressions }))]),
    ),
    elements: Object.fromEntries([...elements].map(([set, all]) => [set, byKey(all)])),
  };
}

const byName = <T extends { readonly name: string }>(all: readonly T[]) =>
  all.toSorted((a, b) => (a.name < b.name ? -1 : 1));
const byKey = <T extends { readonly key: string }>(all: readonly T[]) =>
  all.toSorted((a, b) => (a.key < b.key ? -1 : 1));

/** Handles are numbers that the kernel gives, and what version of nft it was is not the question. */
function withoutHandles(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(withoutHandles);
  if (json === null || typeof json !== "object") return json;
  const entries = Object.entries(json).filter(([name]) => name !== "handle" && name !== "metainfo");
  return Object.fromEntries(entries.map(([name, value]) => [name, withoutHandles(value)]));
}

/** Sets come in the order that they were made in, elements of hash tables in any. */
function sorted(listing: unknown): unknown {
  const { nftables } = listing as { nftables: Record<string, { elem?: unknown[]; name?: string }>[] };
  for (const item of nftables)
    for (const object of Object.values(item)) object.elem?.sort((a, b) => (text(a) < text(b) ? -1 : 1));
  const rank = (item: object) => ("rule" in item ? 1 : 0);
  return nftables.toSorted((a, b) => rank(a) - rank(b) || (rank(a) === 0 ? (text(a) < text(b) ? -1 : 1) : 0));
}
const text = (json: unknown): string => JSON.stringify(json);
