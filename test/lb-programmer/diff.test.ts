import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { KernelModel } from "../../src/lb-programmer/backends/kernel-model.ts";
import { withoutCommon } from "../../src/lb-programmer/changed.ts";
import { diff } from "../../src/lb-programmer/diff.ts";
import { occupies } from "../../src/lb-programmer/entries.ts";
import { normal } from "../../src/lb-programmer/normal.ts";
import type { LbState } from "../../src/lb-programmer/state.ts";
import { randomState } from "./random-state.ts";
import { opText, parseState, stateText } from "./state-text.ts";

const steps = (from: string, to: string): string[] => diff(parseState(from), parseState(to)).map(opText);

const WEB = "server web/n/4 10.0.1.4 mark 256 arriving rr";
const ROWS: readonly (readonly [string, string, string, string[]])[] = [
  ["equal, in another order", `${WEB}\n 10.0.1.5 1\n 10.0.1.6 1`, `${WEB}\n 10.0.1.6 1\n 10.0.1.5 1`, []],
  [
    "a new service: its address comes last, it is what brings connections",
    "",
    `address 10.0.1.4 eth0\n ${WEB}\n 10.0.1.5 1\n snat 10.0.1.0/24 to 10.0.1.3\n sysctl net/x 1`,
    [
      "sysctl.set net/x 1",
      "snat.add 10.0.1.0/24 to 10.0.1.3",
      "server.add web/n/4 10.0.1.4 mark 256 arriving rr",
      "destination.add web/n/4 10.0.1.5 1",
      "address.add 10.0.1.4 eth0",
    ],
  ],
  [
    "a service that goes takes its tasks along; sysctls stay",
    `address 10.0.1.4 eth0\n ${WEB}\n 10.0.1.5 1\n snat 10.0.1.0/24 to 10.0.1.3\n sysctl net/x 1`,
    "",
    [
      "server.remove web/n/4 10.0.1.4 mark 256 arriving rr",
      "address.remove 10.0.1.4 eth0",
      "snat.remove 10.0.1.0/24 to 10.0.1.3",
    ],
  ],
  [
    "another task in place of one",
    `${WEB}\n 10.0.1.5 1\n 10.0.1.6 1`,
    `${WEB}\n 10.0.1.6 1\n 10.0.1.7 1`,
    ["destination.add web/n/4 10.0.1.7 1", "destination.remove web/n/4 10.0.1.5 1"],
  ],
  [
    "weights: more before less",
    `${WEB}\n 10.0.1.5 1\n 10.0.1.6 0`,
    `${WEB}\n 10.0.1.5 0\n 10.0.1.6 1`,
    ["destination.change web/n/4 10.0.1.6 1", "destination.change web/n/4 10.0.1.5 0"],
  ],
  [
    "scheduler and affinity are changed in place",
    `${WEB}\n 10.0.1.5 1`,
    "server web/n/4 10.0.1.4 mark 256 arriving wlc affinity 60\n 10.0.1.5 1",
    ["server.change web/n/4 10.0.1.4 mark 256 arriving wlc affinity 60"],
  ],
  [
    "the scheduler alone",
    WEB,
    "server web/n/4 10.0.1.4 mark 256 arriving lc",
    ["server.change web/n/4 10.0.1.4 mark 256 arriving lc"],
  ],
  [
    "affinity alone",
    WEB,
    "server web/n/4 10.0.1.4 mark 256 arriving rr affinity 60",
    ["server.change web/n/4 10.0.1.4 mark 256 arriving rr affinity 60"],
  ],
  [
    "declared ports are another server's, whatever their order",
    `${WEB} only tcp/80,udp/53-60\n 10.0.1.5 1`,
    `${WEB} only udp/53-60,tcp/80\n 10.0.1.5 1`,
    [],
  ],
  [
    "fewer ports of the VIP: the server is replaced in one go",
    `${WEB}\n 10.0.1.5 1`,
    `${WEB} only nothing\n 10.0.1.5 1`,
    [
      "server.remove web/n/4 10.0.1.4 mark 256 arriving rr",
      "server.add web/n/4 10.0.1.4 mark 256 arriving rr only nothing",
      "destination.add web/n/4 10.0.1.5 1",
    ],
  ],
  [
    "a range that begins elsewhere, where the old one is still in the way",
    "published tcp 8000-8010 to 10.0.0.2 8000 over br\n published tcp 9000 to 10.0.0.2 9000 over br",
    "published tcp 7990-8005 to 10.0.0.2 7990 over br\n published tcp 9001 to 10.0.0.2 9001 over br",
    [
      "published.remove tcp 8000-8010 to 10.0.0.2 8000",
      "published.add tcp 7990-8005 to 10.0.0.2 7990",
      "published.add tcp 9001 to 10.0.0.2 9001",
      "published.remove tcp 9000 to 10.0.0.2 9000",
    ],
  ],
  [
    "a longer range, other sources",
    "published tcp 8000-8010 to 10.0.0.2 8000 over br\n published tcp 9000 to 10.0.0.2 9000 over br from 10.0.0.0/8",
    "published tcp 8000-8011 to 10.0.0.2 8000 over br\n published tcp 9000 to 10.0.0.2 9000 over br from nobody",
    [
      "published.remove tcp 8000-8010 to 10.0.0.2 8000",
      "published.remove tcp 9000 to 10.0.0.2 9000",
      "published.add tcp 8000-8011 to 10.0.0.2 8000",
      "published.add tcp 9000 to 10.0.0.2 9000",
    ],
  ],
  [
    "sources in another order",
    "published tcp 9000 to 10.0.0.2 9000 over br from 10.0.0.0/8,192.0.2.0/24",
    "published tcp 9000 to 10.0.0.2 9000 over br from 192.0.2.0/24,10.0.0.0/8",
    [],
  ],
  [
    "sysctls that are so already",
    "sysctl net/x 1\n sysctl net/y 1",
    "sysctl net/x 1\n sysctl net/y 2",
    ["sysctl.set net/y 2"],
  ],
  [
    "another VIP: a replacement, without anything in between",
    `${WEB}\n 10.0.1.5 1\n 10.0.1.6 1\n address 10.0.1.4 eth0`,
    "server web/n/4 10.0.1.9 mark 256 arriving rr\n 10.0.1.5 1\n address 10.0.1.9 eth0",
    [
      "server.remove web/n/4 10.0.1.4 mark 256 arriving rr",
      "server.add web/n/4 10.0.1.9 mark 256 arriving rr",
      "destination.add web/n/4 10.0.1.5 1",
      "address.add 10.0.1.9 eth0",
      "address.remove 10.0.1.4 eth0",
    ],
  ],
  [
    "the ports of two services change hands: both are free before one is taken",
    "server a/i/4 10.0.0.3 mark 256 published tcp/80 rr\n server b/i/4 10.0.0.4 mark 257 published tcp/81 rr",
    "server a/i/4 10.0.0.3 mark 256 published tcp/81 rr\n server b/i/4 10.0.0.4 mark 257 published tcp/80 rr",
    [
      "server.remove a/i/4 10.0.0.3 mark 256 published tcp/80 rr",
      "server.remove b/i/4 10.0.0.4 mark 257 published tcp/81 rr",
      "server.add a/i/4 10.0.0.3 mark 256 published tcp/81 rr",
      "server.add b/i/4 10.0.0.4 mark 257 published tcp/80 rr",
    ],
  ],
  [
    "a new service with the VIP of one that goes",
    `${WEB}\n 10.0.1.5 1`,
    "server api/n/4 10.0.1.4 mark 257 arriving rr",
    ["server.remove web/n/4 10.0.1.4 mark 256 arriving rr", "server.add api/n/4 10.0.1.4 mark 257 arriving rr"],
  ],
  [
    "a new service beside one that goes: the new one first",
    WEB,
    "server api/n/4 10.0.1.8 mark 257 arriving rr",
    ["server.add api/n/4 10.0.1.8 mark 257 arriving rr", "server.remove web/n/4 10.0.1.4 mark 256 arriving rr"],
  ],
  [
    "a range that is rewritten to another address",
    "snat 10.0.1.0/24 to 10.0.1.3",
    "snat 10.0.1.0/24 to 10.0.1.2",
    ["snat.remove 10.0.1.0/24 to 10.0.1.3", "snat.add 10.0.1.0/24 to 10.0.1.2"],
  ],
  [
    "a port that leads to another port",
    "published tcp 8080 to 172.18.0.2 8080 over br",
    "published tcp 8080 to 172.18.0.2 80 over br",
    ["published.remove tcp 8080 to 172.18.0.2 8080", "published.add tcp 8080 to 172.18.0.2 80"],
  ],
  [
    "and over another bridge",
    "published tcp 8080 to 172.18.0.2 8080 over br",
    "published tcp 8080 to 172.18.0.2 8080 over gw",
    ["published.remove tcp 8080 to 172.18.0.2 8080", "published.add tcp 8080 to 172.18.0.2 8080"],
  ],
  [
    "ports that lead elsewhere",
    "redirect 10.0.0.4 tcp 8080 to 80\n published tcp 8080 to 172.18.0.2 8080 over br",
    "redirect 10.0.0.4 tcp 8080 to 81\n published tcp 8080 to 172.18.0.3 8080 over br",
    [
      "redirect.remove 10.0.0.4 tcp 8080 to 80",
      "redirect.add 10.0.0.4 tcp 8080 to 81",
      "published.remove tcp 8080 to 172.18.0.2 8080",
      "published.add tcp 8080 to 172.18.0.3 8080",
    ],
  ],
  [
    "ports go before what they lead to",
    `${WEB}\n redirect 10.0.0.4 tcp 8080 to 80\n published tcp 8080 to 172.18.0.2 8080 over br`,
    "",
    [
      "published.remove tcp 8080 to 172.18.0.2 8080",
      "redirect.remove 10.0.0.4 tcp 8080 to 80",
      "server.remove web/n/4 10.0.1.4 mark 256 arriving rr",
    ],
  ],
];

test.each([
  "address 10.0.1.4 eth0",
  "snat 10.0.1.0/24 to 10.0.1.3",
  "redirect 10.0.0.4 tcp 8080 to 80",
  "published tcp 8080 to 172.18.0.2 80 over br",
])("no step where there is an equal entry: %s", (entry) => expect(steps(entry, entry)).toEqual([]));

test.each(ROWS)("steps: %s", (_, from, to, expected) => {
  expect(steps(from, to)).toEqual(expected);
});

test.each([
  ["mark", "10.0.1.4 mark 257 published tcp/80,tcp/81 rr"],
  ["kind of connections", "10.0.1.4 mark 256 arriving rr"],
  ["way of forwarding", "10.0.1.4 mark 256 published tcp/80,tcp/81 rr direct"],
  ["source", "10.0.1.4 mark 256 published tcp/80,tcp/81 rr keep-source"],
  ["port", "10.0.1.4 mark 256 published tcp/80,tcp/82 rr"],
  ["port less", "10.0.1.4 mark 256 published tcp/80 rr"],
  ["port more", "10.0.1.4 mark 256 published tcp/80,tcp/81,udp/81 rr"],
])("a server with another %s is a replacement", (_, as) => {
  const before = "p/i/4 10.0.1.4 mark 256 published tcp/80,tcp/81 rr";
  expect(steps(`server ${before}`, `server p/i/4 ${as}`)).toEqual([
    `server.remove ${before}`,
    `server.add p/i/4 ${as}`,
  ]);
});

test("and so is one for other connections", () => {
  const arriving = "web/n/4 10.0.1.4 mark 256 arriving rr";
  const local = "web/n/4 10.0.1.4 mark 256 local rr";
  expect(steps(`server ${arriving}`, `server ${local}`)).toEqual([`server.remove ${arriving}`, `server.add ${local}`]);
});

test.each([
  ["local rr", ["mark 256", "10.0.1.4"]],
  ["published tcp/80,udp/53 rr", ["mark 256", "10.0.1.4", "tcp 80 4", "udp 53 4"]],
  ["published tcp/80-82 rr", ["mark 256", "10.0.1.4", "tcp 80 4", "tcp 81 4", "tcp 82 4"]],
  ["published tcp/80 rr keep-source", ["mark 256", "tcp 80 4"]],
  ["arriving rr keep-source", ["mark 256", "10.0.1.4"]],
])("a server %s occupies %j", (as, expected) => {
  const [server] = parseState(`server web/n/4 10.0.1.4 mark 256 ${as}`).servers;
  expect(occupies(server!)).toEqual(expected);
});

test.each([
  ["", "", "", ""],
  ["abc", "abc", "", ""],
  ["abc", "abd", "c", "d"],
  ["abc", "xbc", "a", "x"],
  ["abc", "axyc", "b", "xy"],
  ["ac", "abc", "", "b"],
  ["ab", "ba", "", ""],
  ["abcde", "aXcYe", "bd", "XY"],
  ["abcde", "bcdeX", "a", "X"],
  ["abcd", "bXdY", "ac", "XY"],
  ["abcde", "axcye", "bd", "xy"],
  ["abc", "", "abc", ""],
])("%j and %j without what is the same object in both", (a, b, restOfA, restOfB) => {
  const objects = new Map([...a, ...b].map((letter) => [letter, { letter }]));
  const of = (letters: string) => [...letters].map((letter) => objects.get(letter)!);
  const rests = withoutCommon(of(a), of(b));
  expect(rests.map((rest) => rest.map(({ letter }) => letter).join(""))).toEqual([restOfA, restOfB]);
});

test("one list is like itself, and equal objects are not the same", () => {
  const list = [{ of: "one" }, { of: "two" }];
  expect(withoutCommon(list, list)).toEqual([[], []]);
  const copy = structuredClone(list);
  expect(withoutCommon(list, copy)).toEqual([list, copy]);
});

test("the canonical form: sorted, and without what is not in its type", () => {
  const more = { seen: "by a backend" };
  const web = { key: "web/n/4", vip: "10.0.1.4", mark: 256, from: "arriving", scheduler: "rr", affinity: 0 } as const;
  const pub = { ...web, key: "pub/i/4", from: "published", forwarding: "masquerade", keepSource: true } as const;
  const [five, six] = [
    { address: "10.0.1.5", weight: 1 },
    { address: "10.0.1.6", weight: 2 },
  ] as const;
  const ports = [
    { protocol: "tcp", port: 80 },
    { protocol: "udp", port: 53 },
  ] as const;
  const addresses = [
    { address: "10.0.1.4", device: "eth0" },
    { address: "10.0.1.4", device: "lo" },
    { address: "10.0.1.8", device: "eth0" },
  ] as const;
  const snat = { subnet: "10.0.1.0/24", to: "10.0.1.3" };
  const redirect = { address: "10.0.0.4", protocol: "tcp", published: 8080, target: 80 } as const;
  const to = { protocol: "tcp", to: "172.18.0.2", bridge: "br" } as const;
  const published = [
    { ...to, port: 8080, toPort: 80 },
    { ...to, port: 9000, toPort: 9000, last: 9010, sources: ["10.0.0.0/8", "192.0.2.1/32"] },
  ];
  const only = [
    { protocol: "tcp", port: 80 },
    { protocol: "udp", port: 53, last: 60 },
  ] as const;
  const state = normal({
    addresses: [2, 0, 1].map((i) => ({ ...addresses[i]!, ...more })),
    servers: [
      {
        ...{ ...web, ...more, forwarding: "direct", ports: [], destinations: [{ ...six, ...more }, five] },
        only: [{ ...only[1], ...more }, only[0]],
      },
      { ...pub, ports: [{ ...ports[1], ...more }, ports[0]], destinations: [], drain: 5 },
    ],
    snats: [{ ...snat, ...more }],
    redirects: [{ ...redirect, ...more }],
    published: [{ ...published[1]!, ...more, sources: ["192.0.2.1/32", "10.0.0.0/8"] }, published[0]!],
    sysctls: { "net/y": "2", "net/x": "1" },
  });
  expect(state).toStrictEqual({
    addresses,
    servers: [
      { ...pub, ports, destinations: [] },
      { ...web, forwarding: "direct", ports: [], only, destinations: [five, six] },
    ],
    snats: [snat],
    redirects: [redirect],
    published,
    sysctls: { "net/x": "1", "net/y": "2" },
  });
  expect(Object.keys(state.sysctls)).toEqual(["net/x", "net/y"]);
});

const pairs = fc.tuple(randomState({ device: "eth0" }), randomState({ device: "eth0" }));
const RUNS = { numRuns: 500 };

describe("for any two states", () => {
  test("the steps turn one into the other, and the kernel takes each of them", () => {
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        const memory = new KernelModel(a);
        for (const op of diff(a, b)) memory.do(op);
        expect(stateText(memory.state())).toBe(stateText(b));
      }),
      RUNS,
    );
  });

  test("and do so from wherever they were broken off", () => {
    fc.assert(
      fc.property(pairs, fc.nat(), ([a, b], cut) => {
        const memory = new KernelModel(a);
        const ops = diff(a, b);
        for (const op of ops.slice(0, cut % (ops.length + 1))) memory.do(op);
        for (const op of diff(memory.state(), b)) memory.do(op);
        expect(stateText(memory.state())).toBe(stateText(b));
      }),
      RUNS,
    );
  });

  test("a state to itself is no step, whatever its order", () => {
    fc.assert(
      fc.property(randomState(), (a) => {
        expect(diff(a, reversed(a))).toEqual([]);
        expect(normal(reversed(a))).toEqual(normal(a));
        expect(normal(normal(a))).toEqual(normal(a));
      }),
      RUNS,
    );
  });

  test("a service that stays as it is can be reached after each step", () => {
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        const ops = diff(a, b);
        const replaced = new Set(ops.flatMap((op) => (op.op === "server.add" ? [op.server.key] : [])));
        const open = (state: LbState): string[] =>
          state.servers.filter((s) => s.destinations.some((d) => d.weight > 0)).map((s) => s.key);
        const always = open(a).filter((key) => open(b).includes(key) && !replaced.has(key));
        const memory = new KernelModel(a);
        for (const op of ops) {
          memory.do(op);
          expect(open(memory.state())).toEqual(expect.arrayContaining(always));
        }
      }),
      RUNS,
    );
  });

  test("nothing is added after something was removed for good", () => {
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        const ops = diff(a, b);
        const lastAdd = ops.findLastIndex((op) => !op.op.endsWith(".remove"));
        for (const op of ops.slice(0, lastAdd + 1))
          expect(["address.remove", "destination.remove"]).not.toContain(op.op);
      }),
      RUNS,
    );
  });
});

const reversed = (state: LbState): LbState => ({
  addresses: state.addresses.toReversed(),
  servers: state.servers
    .toReversed()
    .map((s) => ({ ...s, destinations: s.destinations.toReversed(), ports: s.ports.toReversed() })),
  snats: state.snats.toReversed(),
  redirects: state.redirects.toReversed(),
  published: state.published.toReversed(),
  sysctls: state.sysctls,
});
