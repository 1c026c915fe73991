/** What the nftables backend changes: servers in the house's notation, and transactions as nft would be told them. Pure. */
import { describe, expect, test } from "vitest";
import { unlessForeign } from "../../../src/lb-programmer/backends/common/typed.ts";
import { changesOf } from "../../../src/lb-programmer/backends/nftables/changes.ts";
import { commentsOf, told } from "../../../src/lb-programmer/backends/nftables/comment.ts";
import { NOTHING, otherElements, serverParts } from "../../../src/lb-programmer/backends/nftables/parts.ts";
import { slots } from "../../../src/lb-programmer/backends/nftables/slots.ts";
import { failure } from "../../../src/lb-programmer/backends/nftables/transaction.ts";
import type { Scheduler } from "../../../src/model/types.ts";
import { changeText } from "../../../src/os/nftables/text.ts";
import type { Change } from "../../../src/os/nftables/types.ts";
import { parseState } from "../state-text.ts";

const server = (text: string) => parseState(text).servers[0]!;
const lines = (text: string): string[] => text.split("\n").flatMap((line) => line.trim() || []);

const WEB = "server web/mynet/4 10.0.1.4 mark 256 local rr";

/** What stands before, what comes after, and the transaction between. */
const STEPS: readonly (readonly [string, string | undefined, string | undefined, string])[] = [
  [
    "a new service",
    undefined,
    `${WEB}
       10.0.1.5 1
       10.0.1.6 1`,
    `add map inet eleven slots4-1 { typeof numgen inc mod 2 : ip daddr; }
     add chain inet eleven s-256
     add rule inet eleven s-256 dnat ip to numgen inc mod 2 offset 262144 map @slots4-1
     add element inet eleven servers4 { 256 comment "rr 0 ml web/mynet/4" : 10.0.1.4 }
     add element inet eleven local4 { 10.0.1.4 : goto s-256 }
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
     add map inet eleven slots4-1 { typeof numgen inc mod 2 : ip daddr; }
     add rule inet eleven s-256 dnat ip to numgen inc mod 3 offset 262144 map @slots4-1
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
     delete element inet eleven slots4-1 { 262144, 262145 }
     flush chain inet eleven s-256
     add rule inet eleven s-256 dnat ip to 10.0.1.6
     add element inet eleven tasks4 { 256 . 10.0.1.5 : 0 }`,
  ],
  [
    "the last task leaves",
    `${WEB}
       10.0.1.5 1`,
    WEB,
    `delete element inet eleven tasks4 { 256 . 10.0.1.5 }
     flush chain inet eleven s-256
     add element inet eleven refused4 { 10.0.1.4 }`,
  ],
  [
    "a service is removed",
    `${WEB}
       10.0.1.5 1`,
    undefined,
    `delete element inet eleven servers4 { 256 }
     delete element inet eleven local4 { 10.0.1.4 }
     delete element inet eleven tasks4 { 256 . 10.0.1.5 }
     flush chain inet eleven s-256
     delete chain inet eleven s-256`,
  ],
  [
    "IPv6 with affinity",
    undefined,
    `server web/mynet/6 fd00::4 mark 256 local rr affinity 60
       fd00::5 1`,
    `add map inet eleven turns-1 { typeof numgen inc mod 2 : verdict; }
     add set inet eleven c-256-fd00__5 { type ipv6_addr; size 65535; flags dynamic,timeout; timeout 60s; }
     add chain inet eleven s-256
     add chain inet eleven t-256-fd00__5
     add rule inet eleven s-256 ip6 saddr @c-256-fd00__5 goto t-256-fd00__5
     add rule inet eleven s-256 numgen inc mod 1 offset 262144 vmap @turns-1
     add rule inet eleven t-256-fd00__5 update @c-256-fd00__5 { ip6 saddr }
     add rule inet eleven t-256-fd00__5 dnat ip6 to fd00::5
     add element inet eleven servers6 { 256 comment "rr 60 ml web/mynet/6" : fd00::4 }
     add element inet eleven local6 { fd00::4 : goto s-256 }
     add element inet eleven tasks6 { 256 . fd00::5 : 1 }
     add element inet eleven turns-1 { 262144 : goto t-256-fd00__5 }`,
  ],
  [
    "published ports that keep the client's address: the VIP is not theirs",
    undefined,
    `server pub/mesh/4/local 10.0.0.3 mark 256 published tcp/8080 sh keep-source
       10.0.0.4 1`,
    `add chain inet eleven s-256
     add rule inet eleven s-256 dnat ip to 10.0.0.4
     add element inet eleven servers4 { 256 comment "sh 0 mpk pub/mesh/4/local" : 10.0.0.3 }
     add element inet eleven ports4 { tcp . 8080 : goto s-256 }
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
     delete element inet eleven local4 { 10.0.1.4 }
     add element inet eleven servers4 { 256 comment "rr 0 mlo web/mynet/4" : 10.0.1.4 }
     add element inet eleven local-ports4 { 10.0.1.4 . tcp . 80 : goto s-256, 10.0.1.4 . udp . 5000-5010 : goto s-256 }
     add element inet eleven refused4 { 10.0.1.4 }`,
  ],
  [
    "a range of published ports, without a task",
    undefined,
    "server pub/mesh/4/local 10.0.0.3 mark 256 published tcp/8080,udp/5000-5999 rr keep-source",
    `add chain inet eleven s-256
     add element inet eleven servers4 { 256 comment "rr 0 mpk pub/mesh/4/local" : 10.0.0.3 }
     add element inet eleven ports4 { tcp . 8080 : goto s-256 }
     add element inet eleven refused-ports4 { tcp . 8080 }
     add element inet eleven kept-tcp4 { 8080 }
     add element inet eleven port-ranges4 { udp . 5000-5999 : goto s-256 }
     add element inet eleven refused-ranges4 { udp . 5000-5999 }
     add element inet eleven kept-udp4 { 5000-5999 }`,
  ],
];

describe("nftables: transactions", () => {
  test.each(STEPS)("%s", (_, before, after, text) => {
    const parts = (of: string | undefined) => (of === undefined ? NOTHING : serverParts(server(of)));
    const changes = changesOf([{ before: parts(before), after: parts(after) }]);
    expect(changes.map((change) => changeText("eleven", change))).toEqual(lines(text));
  });

  test("the host's ports, ranges and sources", () => {
    const state = parseState(`published tcp 8000-8999 to 10.0.0.2 8000 over gw
      published udp 53 to 10.0.0.2 5353 over gw from 10.0.0.0/8,192.0.2.1/32
      published tcp 80 to fd00::2 80 over gw from nobody`);
    const parts = { ...NOTHING, elements: otherElements(state) };
    const changes = changesOf([{ before: NOTHING, after: parts }]).map((change) => changeText("eleven", change));
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
    const parts = serverParts(server(`${WEB}\n10.0.1.5 1`));
    expect(changesOf([{ before: parts, after: parts }])).toEqual([]);
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
    expect(slots({ ...server(WEB), scheduler, destinations }).join("")).toBe(expected);
  });

  test.each([
    ["far apart", [65_535, 1], 256],
    ["of many tasks", Array.from({ length: 2000 }, () => 1), 1024],
  ])("weights %s are rounded", (_, weights, most) => {
    const destinations = weights.map((weight, i) => ({ address: `${i}`, weight }));
    const row = slots({ ...server(WEB), scheduler: "wrr", destinations });
    expect(row.length).toBeLessThanOrEqual(most);
    expect(new Set(row).size).toBe(Math.min(weights.length, most));
  });
});

describe("nftables: comments", () => {
  test.each(["web/mynet/4", "x".repeat(500), 'a "b" \\ %41', "zürich/🐳"])("%s", (key) => {
    const comments = commentsOf({ ...server(WEB), key, affinity: 10, forwarding: "direct", keepSource: true });
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
