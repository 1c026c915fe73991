/** What the nftables backend changes: servers in the house's notation, and transactions as nft would be told them. Pure. */
import { describe, expect, test } from "vitest";
import { unlessForeign } from "../../../src/lb-programmer/backends/common/typed.ts";
import { changesOf } from "../../../src/lb-programmer/backends/inet-table/changes.ts";
import { commentsOf, told } from "../../../src/lb-programmer/backends/inet-table/comment.ts";
import { NOTHING, otherElements } from "../../../src/lb-programmer/backends/inet-table/parts.ts";
import { failure } from "../../../src/lb-programmer/backends/inet-table/transaction.ts";
import { serverParts } from "../../../src/lb-programmer/backends/nftables/parts.ts";
import { SKELETON } from "../../../src/lb-programmer/backends/nftables/skeleton.ts";
import { slots } from "../../../src/lb-programmer/backends/nftables/slots.ts";
import type { Scheduler } from "../../../src/model/types.ts";
import { changeText } from "../../../src/os/nftables/text.ts";
import type { Change } from "../../../src/os/nftables/types.ts";
import { EVERY, lines, serverOf, transactions } from "../../support/nftables-table.ts";
import { parseState } from "../state-text.ts";

const WEB = "server web/mynet/4 10.0.1.4 mark 256 local rr";

/** What stands before, what comes after, and the transactions between. */
const STEPS: readonly (readonly [string, string | undefined, string | undefined, string])[] = [
  [
    "a new service",
    undefined,
    `${WEB}
       10.0.1.5 1
       10.0.1.6 1`,
    `add counter inet eleven s-256
     add counter inet eleven b-256
     add map inet eleven slots4-1 { typeof numgen inc mod 2 : ip daddr; }
     add chain inet eleven s-256
     add rule inet eleven s-256 counter name s-256 dnat ip to numgen inc mod 2 offset 262144 map @slots4-1 comment "web/mynet/4"
     add element inet eleven servers4 { 256 comment "rr 0 ml web/mynet/4" : 10.0.1.4 }
     add element inet eleven local4 { 10.0.1.4 : goto s-256 }
     add element inet eleven bytes-local4 { 10.0.1.4 : b-256 }
     add element inet eleven tasks4 { 256 . 10.0.1.5 : 1, 256 . 10.0.1.6 : 1 }
     add element inet eleven slots4-1 { 262144 : 10.0.1.5, 262145 : 10.0.1.6 }`,
  ],
  [
    "one task more",
    `${WEB}
       10.0.1.5 1
       10.0.1.6 1`,
    `${WEB}
       10.0.1.5 1
       10.0.1.6 1
       10.0.1.7 1`,
    `flush chain inet eleven s-256
     add rule inet eleven s-256 counter name s-256 dnat ip to numgen inc mod 3 offset 262144 map @slots4-1 comment "web/mynet/4"
     add element inet eleven tasks4 { 256 . 10.0.1.7 : 1 }
     add element inet eleven slots4-1 { 262146 : 10.0.1.7 }`,
  ],
  [
    "a task drains: one is left, which needs no slots",
    `${WEB}
       10.0.1.5 1
       10.0.1.6 1`,
    `${WEB}
       10.0.1.5 0
       10.0.1.6 1`,
    `delete element inet eleven tasks4 { 256 . 10.0.1.5 }
     flush chain inet eleven s-256
     add rule inet eleven s-256 counter name s-256 dnat ip to 10.0.1.6 comment "web/mynet/4"
     add element inet eleven tasks4 { 256 . 10.0.1.5 : 0 }
     then
     delete element inet eleven slots4-1 { 262144, 262145 }`,
  ],
  [
    "a task takes the place of another: nobody's rules change",
    `${WEB}
       10.0.1.5 1
       10.0.1.6 1`,
    `${WEB}
       10.0.1.5 1
       10.0.1.7 1`,
    `delete element inet eleven slots4-1 { 262145 }
     delete element inet eleven tasks4 { 256 . 10.0.1.6 }
     add element inet eleven tasks4 { 256 . 10.0.1.7 : 1 }
     add element inet eleven slots4-1 { 262145 : 10.0.1.7 }`,
  ],
  [
    "affinity comes: old rules lead to the one task still, and new ones to what is there with them",
    `${WEB}
       10.0.1.5 1`,
    `${WEB} affinity 60
       10.0.1.5 1`,
    `delete element inet eleven servers4 { 256 }
     flush chain inet eleven s-256
     add map inet eleven turns-1 { typeof numgen inc mod 2 : verdict; }
     add set inet eleven c-256-10.0.1.5 { type ipv4_addr; size 65535; flags dynamic,timeout; timeout 60s; }
     add chain inet eleven t-256-10.0.1.5
     add rule inet eleven s-256 counter name s-256 comment "web/mynet/4"
     add rule inet eleven s-256 ip saddr @c-256-10.0.1.5 goto t-256-10.0.1.5 comment "web/mynet/4"
     add rule inet eleven s-256 numgen inc mod 1 offset 262144 vmap @turns-1 comment "web/mynet/4"
     add rule inet eleven t-256-10.0.1.5 update @c-256-10.0.1.5 { ip saddr } comment "web/mynet/4"
     add rule inet eleven t-256-10.0.1.5 dnat ip to 10.0.1.5 comment "web/mynet/4"
     add element inet eleven servers4 { 256 comment "rr 60 ml web/mynet/4" : 10.0.1.4 }
     add element inet eleven turns-1 { 262144 : goto t-256-10.0.1.5 }`,
  ],
  [
    "with affinity, one task in the place of another: its chain is there before it is led to, the other's until nobody is",
    `${WEB} affinity 60
       10.0.1.5 1`,
    `${WEB} affinity 60
       10.0.1.7 1`,
    `add set inet eleven c-256-10.0.1.7 { type ipv4_addr; size 65535; flags dynamic,timeout; timeout 60s; }
     add chain inet eleven t-256-10.0.1.7
     add rule inet eleven t-256-10.0.1.7 update @c-256-10.0.1.7 { ip saddr } comment "web/mynet/4"
     add rule inet eleven t-256-10.0.1.7 dnat ip to 10.0.1.7 comment "web/mynet/4"
     then
     delete element inet eleven turns-1 { 262144 }
     delete element inet eleven tasks4 { 256 . 10.0.1.5 }
     flush chain inet eleven s-256
     add rule inet eleven s-256 counter name s-256 comment "web/mynet/4"
     add rule inet eleven s-256 ip saddr @c-256-10.0.1.7 goto t-256-10.0.1.7 comment "web/mynet/4"
     add rule inet eleven s-256 numgen inc mod 1 offset 262144 vmap @turns-1 comment "web/mynet/4"
     add element inet eleven tasks4 { 256 . 10.0.1.7 : 1 }
     add element inet eleven turns-1 { 262144 : goto t-256-10.0.1.7 }
     then
     flush chain inet eleven t-256-10.0.1.5
     delete chain inet eleven t-256-10.0.1.5
     delete set inet eleven c-256-10.0.1.5`,
  ],
  [
    "with affinity, a task more: its slots are new, but for the last all are others' already",
    `${WEB} affinity 60
       10.0.1.5 1`,
    `${WEB} affinity 60
       10.0.1.4 1
       10.0.1.5 1`,
    `add set inet eleven c-256-10.0.1.4 { type ipv4_addr; size 65535; flags dynamic,timeout; timeout 60s; }
     add chain inet eleven t-256-10.0.1.4
     add rule inet eleven t-256-10.0.1.4 update @c-256-10.0.1.4 { ip saddr } comment "web/mynet/4"
     add rule inet eleven t-256-10.0.1.4 dnat ip to 10.0.1.4 comment "web/mynet/4"
     add element inet eleven turns-1 { 262145 : goto t-256-10.0.1.5 }
     then
     delete element inet eleven turns-1 { 262144 }
     flush chain inet eleven s-256
     add rule inet eleven s-256 counter name s-256 comment "web/mynet/4"
     add rule inet eleven s-256 ip saddr @c-256-10.0.1.4 goto t-256-10.0.1.4 comment "web/mynet/4"
     add rule inet eleven s-256 ip saddr @c-256-10.0.1.5 goto t-256-10.0.1.5 comment "web/mynet/4"
     add rule inet eleven s-256 numgen inc mod 2 offset 262144 vmap @turns-1 comment "web/mynet/4"
     add element inet eleven tasks4 { 256 . 10.0.1.4 : 1 }
     add element inet eleven turns-1 { 262144 : goto t-256-10.0.1.4 }`,
  ],
  [
    "another mark: all of it is there before, and until nobody is led by it",
    `${WEB}
       10.0.1.5 1`,
    `${WEB.replace("256", "300")}
       10.0.1.5 1`,
    `add counter inet eleven s-300
     add counter inet eleven b-300
     add chain inet eleven s-300
     add rule inet eleven s-300 counter name s-300 dnat ip to 10.0.1.5 comment "web/mynet/4"
     then
     delete element inet eleven local4 { 10.0.1.4 }
     delete element inet eleven bytes-local4 { 10.0.1.4 }
     delete element inet eleven servers4 { 256 }
     delete element inet eleven tasks4 { 256 . 10.0.1.5 }
     add element inet eleven servers4 { 300 comment "rr 0 ml web/mynet/4" : 10.0.1.4 }
     add element inet eleven local4 { 10.0.1.4 : goto s-300 }
     add element inet eleven bytes-local4 { 10.0.1.4 : b-300 }
     add element inet eleven tasks4 { 300 . 10.0.1.5 : 1 }
     then
     flush chain inet eleven s-256
     delete chain inet eleven s-256
     delete counter inet eleven s-256
     delete counter inet eleven b-256`,
  ],
  [
    "it goes: after nobody is led by it any more",
    `${WEB} affinity 60
       10.0.1.5 1`,
    `${WEB}
       10.0.1.5 1`,
    `delete element inet eleven servers4 { 256 }
     flush chain inet eleven s-256
     add rule inet eleven s-256 counter name s-256 dnat ip to 10.0.1.5 comment "web/mynet/4"
     add element inet eleven servers4 { 256 comment "rr 0 ml web/mynet/4" : 10.0.1.4 }
     then
     delete element inet eleven turns-1 { 262144 }
     flush chain inet eleven t-256-10.0.1.5
     delete chain inet eleven t-256-10.0.1.5
     delete set inet eleven c-256-10.0.1.5`,
  ],
  [
    "the last task leaves",
    `${WEB}
       10.0.1.5 1`,
    WEB,
    `delete element inet eleven tasks4 { 256 . 10.0.1.5 }
     flush chain inet eleven s-256
     add element inet eleven refused-local4 { 10.0.1.4 }`,
  ],
  [
    "a service is removed",
    `${WEB}
       10.0.1.5 1`,
    undefined,
    `delete element inet eleven servers4 { 256 }
     delete element inet eleven local4 { 10.0.1.4 }
     delete element inet eleven bytes-local4 { 10.0.1.4 }
     delete element inet eleven tasks4 { 256 . 10.0.1.5 }
     flush chain inet eleven s-256
     delete chain inet eleven s-256
     delete counter inet eleven s-256
     delete counter inet eleven b-256`,
  ],
  [
    "IPv6 with affinity",
    undefined,
    `server web/mynet/6 fd00::4 mark 256 local rr affinity 60
       fd00::5 1`,
    `add counter inet eleven s-256
     add counter inet eleven b-256
     add map inet eleven turns-1 { typeof numgen inc mod 2 : verdict; }
     add set inet eleven c-256-fd00__5 { type ipv6_addr; size 65535; flags dynamic,timeout; timeout 60s; }
     add chain inet eleven s-256
     add chain inet eleven t-256-fd00__5
     add rule inet eleven s-256 counter name s-256 comment "web/mynet/6"
     add rule inet eleven s-256 ip6 saddr @c-256-fd00__5 goto t-256-fd00__5 comment "web/mynet/6"
     add rule inet eleven s-256 numgen inc mod 1 offset 262144 vmap @turns-1 comment "web/mynet/6"
     add rule inet eleven t-256-fd00__5 update @c-256-fd00__5 { ip6 saddr } comment "web/mynet/6"
     add rule inet eleven t-256-fd00__5 dnat ip6 to fd00::5 comment "web/mynet/6"
     add element inet eleven servers6 { 256 comment "rr 60 ml web/mynet/6" : fd00::4 }
     add element inet eleven local6 { fd00::4 : goto s-256 }
     add element inet eleven bytes-local6 { fd00::4 : b-256 }
     add element inet eleven tasks6 { 256 . fd00::5 : 1 }
     add element inet eleven turns-1 { 262144 : goto t-256-fd00__5 }`,
  ],
  [
    "published ports that keep the client's address: the VIP is not theirs",
    undefined,
    `server pub/mesh/4/local 10.0.0.3 mark 256 published tcp/8080 sh keep-source
       10.0.0.4 1`,
    `add counter inet eleven s-256
     add counter inet eleven b-256
     add chain inet eleven s-256
     add rule inet eleven s-256 counter name s-256 dnat ip to 10.0.0.4 comment "pub/mesh/4/local"
     add element inet eleven servers4 { 256 comment "sh 0 mpk pub/mesh/4/local" : 10.0.0.3 }
     add element inet eleven ports4 { tcp . 8080 : goto s-256 }
     add element inet eleven bytes-tcp4 { 8080 : b-256 }
     add element inet eleven kept-tcp4 { 8080 }
     add element inet eleven tasks4 { 256 . 10.0.0.4 : 1 }`,
  ],
  [
    "declared ports: each leads to the tasks, what is not led anywhere is refused",
    `${WEB}
       10.0.1.5 1`,
    `${WEB} only tcp/80,udp/5000-5010
       10.0.1.5 1`,
    `delete element inet eleven servers4 { 256 }
     add element inet eleven servers4 { 256 comment "rr 0 mlo web/mynet/4" : 10.0.1.4 }
     add element inet eleven local-ports4 { 10.0.1.4 . tcp . 80 : goto s-256, 10.0.1.4 . udp . 5000-5010 : goto s-256 }
     add element inet eleven refused-local4 { 10.0.1.4 }
     then
     delete element inet eleven local4 { 10.0.1.4 }`,
  ],
  [
    "no declared ports any more: who has just missed the VIP finds the port still",
    `${WEB} only tcp/80
       10.0.1.5 1`,
    `${WEB}
       10.0.1.5 1`,
    `delete element inet eleven servers4 { 256 }
     delete element inet eleven refused-local4 { 10.0.1.4 }
     add element inet eleven servers4 { 256 comment "rr 0 ml web/mynet/4" : 10.0.1.4 }
     add element inet eleven local4 { 10.0.1.4 : goto s-256 }
     then
     delete element inet eleven local-ports4 { 10.0.1.4 . tcp . 80 }`,
  ],
  [
    "a declared port more, which makes a range: they overlap, so it is one transaction",
    `${WEB} only tcp/80-89
       10.0.1.5 1`,
    `${WEB} only tcp/80-90
       10.0.1.5 1`,
    `delete element inet eleven local-ports4 { 10.0.1.4 . tcp . 80-89 }
     add element inet eleven local-ports4 { 10.0.1.4 . tcp . 80-90 : goto s-256 }`,
  ],
  [
    "a range of published ports, without a task",
    undefined,
    "server pub/mesh/4/local 10.0.0.3 mark 256 published tcp/8080,udp/5000-5999 rr keep-source",
    `add counter inet eleven s-256
     add counter inet eleven b-256
     add chain inet eleven s-256
     add element inet eleven servers4 { 256 comment "rr 0 mpk pub/mesh/4/local" : 10.0.0.3 }
     add element inet eleven ports4 { tcp . 8080 : goto s-256 }
     add element inet eleven bytes-tcp4 { 8080 : b-256 }
     add element inet eleven refused-ports4 { tcp . 8080 }
     add element inet eleven kept-tcp4 { 8080 }
     add element inet eleven port-ranges4 { udp . 5000-5999 : goto s-256 }
     add element inet eleven bytes-udp4 { 5000-5999 : b-256 }
     add element inet eleven refused-ranges4 { udp . 5000-5999 }
     add element inet eleven kept-udp4 { 5000-5999 }`,
  ],
];

describe("nftables: transactions", () => {
  test.each(STEPS)("%s", (_, before, after, text) => {
    const parts = (of: string | undefined) => (of === undefined ? NOTHING : serverParts(serverOf(of)));
    const there = new Set([...EVERY, ...parts(before).elements.map(({ in: name }) => name)]);
    const changes = changesOf(SKELETON, [{ before: parts(before), after: parts(after) }], there);
    expect(changes.map((one) => one.map((change) => changeText("eleven", change)))).toEqual(transactions(text));
  });

  test("the host's ports, ranges and sources", () => {
    const state = parseState(`published tcp 8000-8999 to 10.0.0.2 8000 over gw
      published udp 53 to 10.0.0.2 5353 over gw from 10.0.0.0/8,192.0.2.1/32
      published tcp 80 to fd00::2 80 over gw from nobody`);
    const parts = { ...NOTHING, elements: otherElements(state) };
    const changes = changesOf(SKELETON, [{ before: NOTHING, after: parts }], EVERY)
      .flat()
      .map((change) => changeText("eleven", change));
    expect(changes).toEqual(
      lines(`add element inet eleven host-ranges4 { tcp . 8000-8999 comment "gw" : 10.0.0.2 }
        add element inet eleven host4 { udp . 53 comment "gw" : 10.0.0.2 . 5353 }
        add element inet eleven limited4 { udp . 53 }
        add element inet eleven sources4 { 10.0.0.0/8 . udp . 53, 192.0.2.1 . udp . 53 }
        add element inet eleven host6 { tcp . 80 comment "gw" : fd00::2 . 80 }
        add element inet eleven limited6 { tcp . 80 }
        add element inet eleven bridges { "gw" }`),
    );
  });

  test("nothing for nothing", () => {
    const parts = serverParts(serverOf(`${WEB}\n10.0.1.5 1`));
    expect(changesOf(SKELETON, [{ before: parts, after: parts }], EVERY)).toEqual([]);
  });
});

const SETTINGS = "{ type nat hook output priority -105; policy accept; }";
const REFUSING = "{ type filter hook output priority -5; policy accept; }";
const COUNTING = (hook: string) => `{ type filter hook ${hook} priority 200; policy accept; }`;
const COUNTED = "meta l4proto != icmp counter name ct original ip daddr map @bytes-local4 return";
const LED = "meta l4proto { tcp, udp, sctp } ip daddr vmap @local4";

/** What there is, what comes, and what is made for it beside elements and what belongs to a server. */
const JOINING: readonly (readonly [string, string, string, string])[] = [
  [
    "the first service of a sandbox",
    "",
    `${WEB}
       10.0.1.5 1`,
    `add map inet eleven servers4 { type mark : ipv4_addr; }
     add map inet eleven local4 { type ipv4_addr : verdict; }
     add map inet eleven bytes-local4 { type ipv4_addr : counter; }
     add map inet eleven tasks4 { type mark . ipv4_addr : mark; }
     add chain inet eleven leaving ${SETTINGS}
     add rule inet eleven leaving ${LED}
     add chain inet eleven count-leaving ${COUNTING("output")}
     add rule inet eleven count-leaving ct status dnat ct direction original ${COUNTED}
     add chain inet eleven count-entering ${COUNTING("input")}
     add rule inet eleven count-entering ct status dnat ct direction reply ${COUNTED}`,
  ],
  [
    "the ports of an ingress sandbox: only those of their protocols are counted",
    "server web/mesh/4 10.0.0.3 mark 256 published tcp/80 rr",
    `server web/mesh/4 10.0.0.3 mark 256 published tcp/80 rr
     server dns/mesh/4 10.0.0.4 mark 257 published udp/53,tcp/53 rr`,
    `add map inet eleven bytes-udp4 { type inet_service : counter; flags interval; }
     flush chain inet eleven count-passing
     add rule inet eleven count-passing ct status dnat ${COUNTED.replace("local", "arriving")}
     add rule inet eleven count-passing ct status dnat meta nfproto ipv4 meta l4proto tcp counter name ct original proto-dst map @bytes-tcp4 return
     add rule inet eleven count-passing ct status dnat meta nfproto ipv4 meta l4proto udp counter name ct original proto-dst map @bytes-udp4 return`,
  ],
  [
    "another: nothing",
    `${WEB}
       10.0.1.5 1`,
    `${WEB}
       10.0.1.5 1
     server api/mynet/4 10.0.1.9 mark 257 local rr
       10.0.1.8 1`,
    "",
  ],
  [
    "the first service without a task",
    `${WEB}
       10.0.1.5 1`,
    WEB,
    `add set inet eleven refused-local4 { type ipv4_addr; }
     add chain inet eleven refuse-leaving ${REFUSING}
     add rule inet eleven refuse-leaving meta l4proto { tcp, udp, sctp } ip daddr @refused-local4 meta l4proto tcp reject with tcp reset
     add rule inet eleven refuse-leaving meta l4proto { tcp, udp, sctp } ip daddr @refused-local4 reject with icmpx port-unreachable`,
  ],
  [
    "the first VIP that answers ping: its rule comes behind the one that is there",
    WEB,
    `${WEB}
     address 10.0.1.4 lo`,
    `add set inet eleven ping4 { type ipv4_addr; }
     flush chain inet eleven leaving
     add rule inet eleven leaving ${LED}
     add rule inet eleven leaving icmp type echo-request ip daddr @ping4 redirect`,
  ],
];

describe("nftables: what is empty is not there", () => {
  const partsOf = (text: string) => {
    const state = parseState(text);
    return [{ ...NOTHING, elements: otherElements(state) }, ...state.servers.map((one) => serverParts(one))];
  };
  const ofServers = (change: Change) =>
    change.kind.startsWith("elements") || / [sbtc]-\d|slots|turns/.test(changeText("eleven", change));

  test.each(JOINING)("%s", (_, before, after, text) => {
    const there = new Set(partsOf(before).flatMap(({ elements }) => elements.map(({ in: name }) => name)));
    const was = partsOf(before);
    const steps = partsOf(after).map((after, i) => ({ before: was[i] ?? NOTHING, after }));
    const changes = changesOf(SKELETON, steps, there)
      .flat()
      .filter((change) => !ofServers(change));
    expect(changes.map((change) => changeText("eleven", change))).toEqual(lines(text));
  });

  test.each([
    ["a sandbox with services", [WEB, "10.0.1.5 1", "address 10.0.1.4 lo"], "input output output"],
    ["one that has a service without tasks, too", [WEB, "address 10.0.1.4 lo"], "input output output output"],
    ["a task's published ports", ["redirect 10.0.0.4 tcp 8080 to 80"], "prerouting"],
    [
      "a load balancer's",
      [WEB.replace("local", "arriving"), "10.0.1.5 1", "address 10.0.1.4 eth0", "snat 10.0.1.0/24 to 10.0.1.3"],
      "forward postrouting prerouting",
    ],
    ["the host", ["published tcp 8080 to 172.18.0.2 8080 over gw"], "output postrouting prerouting prerouting"],
    ["nothing", [], ""],
  ])("hooks of %s", (_, text, hooks) => {
    const steps = partsOf(text.join("\n")).map((after) => ({ before: NOTHING, after }));
    const bases = changesOf(SKELETON, steps, new Set())
      .flat()
      .flatMap((c) => (c.kind === "chain.add" && c.chain.base?.hook) || []);
    expect(bases.sort().join(" ")).toBe(hooks);
  });
});

/** Scheduler, weights of the tasks a, b, c …, and who gets each of the slots. */
const SLOTS: readonly (readonly [Scheduler, readonly number[], string])[] = [
  ["rr", [1, 1, 1], "abc"],
  ["rr", [5, 1, 0], "ab"], // round robin looks at no weights but 0
  ["lc", [5, 1], "ab"],
  ["wrr", [1, 1], "ab"],
  ["wrr", [10, 10], "ab"],
  ["wrr", [3, 1], "aaba"],
  ["wrr", [4, 2], "aba"],
  ["wrr", [0, 2, 4], "cbc"],
  ["sh", [2, 1], "aba"],
  ["wrr", [0, 0], ""],
  ["wrr", [], ""],
];

describe("nftables: slots", () => {
  test.each(SLOTS)("%s %j: %s", (scheduler, weights, expected) => {
    const destinations = weights.map((weight, i) => ({ address: "abcdef"[i]!, weight }));
    expect(slots({ ...serverOf(WEB), scheduler, destinations }).join("")).toBe(expected);
  });

  test.each([
    ["far apart", [65_535, 1], 256],
    ["of many tasks", Array.from({ length: 2000 }, () => 1), 1024],
  ])("weights %s are rounded", (_, weights, most) => {
    const destinations = weights.map((weight, i) => ({ address: `${i}`, weight }));
    const row = slots({ ...serverOf(WEB), scheduler: "wrr", destinations });
    expect(row.length).toBeLessThanOrEqual(most);
    expect(new Set(row).size).toBe(Math.min(weights.length, most));
  });
});

describe("nftables: comments", () => {
  test.each(["web/mynet/4", "x".repeat(500), 'a "b" \\ %41', "zürich/🐳"])("%s", (key) => {
    const comments = commentsOf({ ...serverOf(WEB), key, affinity: 10, forwarding: "direct", keepSource: true });
    for (const comment of comments) expect(comment).toMatch(/^[ !#-~]{1,120}$/);
    expect(told(comments.join(""))).toEqual({
      key,
      scheduler: "rr",
      affinity: 10,
      forwarding: "direct",
      from: "local",
      keepSource: true,
    });
  });

  test.each(["", "mine", "rr x ml web", "rr 0 zz web", "rr 0 ml a b", "rr 0 ml %zz", "rr 99999 ml web", "xx 0 ml web"])(
    "not ours: %j",
    (comment) => {
      expect(unlessForeign(() => told(comment))).toBeUndefined();
    },
  );
});

describe("nftables: failures", () => {
  const target = { kind: "sandbox", id: "sandbox/c1", sandbox: "c1" } as const;
  const change: Change = { kind: "table.delete" };
  const text = "delete table inet eleven";
  const why = "octet 20 of the message";
  test.each([
    [{ errno: 1, why: "", change: undefined, text: "batch" }, "denied", "nf_tables: EPERM (needs CAP_NET_ADMIN)"],
    [
      { errno: 1, why, change, text },
      "denied",
      `${text}: EPERM (a process owns the table: it goes when that one ends)`,
    ],
    [{ errno: 95, why: "", change, text }, "missing", `the kernel's nf_tables lacks something: ${text}: EOPNOTSUPP`],
    [{ errno: 17, why, change, text }, "failed", `${text}: EEXIST (${why})`],
    [{ errno: 17, why: "", change, text: "x".repeat(500) }, "failed", `${"x".repeat(200)}: EEXIST`],
  ] as const)("%j: %s", (refused, code, message) => {
    expect(failure(target, refused)).toMatchObject({ code, target: "sandbox/c1", message: `sandbox/c1: ${message}` });
  });
});
