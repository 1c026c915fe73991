/** What the ipvs backend reads and writes as text and octets; needs no kernel. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { through } from "../../../src/lb-programmer/backends/common/through.ts";
import { unlessForeign } from "../../../src/lb-programmer/backends/common/typed.ts";
import { stateOf } from "../../../src/lb-programmer/backends/ipvs/iptables/read.ts";
import { parseRule } from "../../../src/lb-programmer/backends/ipvs/iptables/rule.ts";
import { EVERY_CHAIN, parseSaved, restoreText } from "../../../src/lb-programmer/backends/ipvs/iptables/saved.ts";
import { EMPTY, type LbState } from "../../../src/lb-programmer/state.ts";
import { packIpvs, unpackCounted, unpackDestination, unpackService } from "../../../src/os/netlink/ipvs.ts";
import { openConnections, parseDestinations } from "../../../src/os/netlink/ipvs-lists.ts";
import { hex } from "../../support/text.ts";
import { randomState } from "../random-state.ts";
import { parseState, stateText } from "../state-text.ts";

test("/proc/net/ip_vs: destinations by mark, services of others left out", () => {
  const text = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  0A000104:0050 rr 
  -> 0A000109:0050      Masq    1      0          4         
FWM  00000100 rr persistent 36000 FFFFFFFF
  -> 0A000107:0000      Masq    1      0          4         
  -> 0A000106:0050      Route   0      0          4         
FWM  00000101 rr 
  -> [fd00:0001:0000:0000:0000:0000:0000:0005]:0000      Tunnel  65535  0          4         
FWM  00000102 wlc 
`;
  expect(parseDestinations(text)).toEqual(
    new Map([
      [
        256,
        [
          { address: "10.0.1.7", port: 0, weight: 1, forwarding: "masquerade" },
          { address: "10.0.1.6", port: 80, weight: 0, forwarding: "direct" },
        ],
      ],
      [257, [{ address: "fd00:1::5", port: 0, weight: 65_535, forwarding: "other" }]],
      [258, []],
    ]),
  );
});

const [WEB, DNS, SIX, MESH, RANGE] = [
  "server web/net/4 10.0.1.4 mark 256 local rr",
  "server dns/net/4 10.0.1.9 mark 257 local rr",
  "server web/net/6 fd00:1::4 mark 258 local rr",
  "server pub/mesh/4 10.0.0.3 mark 259 published tcp/8080 rr",
  "server range/mesh/4 10.0.0.3 mark 260 published udp/8080,sctp/9000-9009 rr",
];

test.each([
  ["its VIP's, those that are not over", WEB, "10.0.1.7", 2],
  ["another VIP's, to the same task: a task may be in several services", DNS, "10.0.1.7", 1],
  ["of IPv6", SIX, "fd00:1::5", 1],
  ["only closed ones", WEB, "10.0.1.6", 0],
  ["by a published port", MESH, "10.0.1.7", 1],
  ["by a range of them, and of another protocol", RANGE, "10.0.1.7", 1],
])("/proc/net/ip_vs_conn: open connections through a server, %s", (_, server, task, count) => {
  const text = `Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP 0A000102 B75C 0A000104 0050 0A000107 0050 ESTABLISHED     899
TCP 0A000102 B75E 0A000104 0050 0A000107 0050 FIN_WAIT        119
TCP 0A000102 B75E 0A000109 0035 0A000107 0035 ESTABLISHED     119
TCP 0A000102 B760 0A000104 0050 0A000107 0050 TIME_WAIT       119
UDP 0A000102 8D46 0A000104 0035 0A000107 0035 UDP             299
IP  0A000102 0000 00000100 0000 0A000107 0000 NONE            299
TCP 0A000102 B762 0A000104 0050 0A000106 0050 CLOSE             9
TCP C0000201 B762 AC120002 1F90 0A000107 1F90 ESTABLISHED      99
SCTP C0000201 B762 AC120002 2329 0A000107 2329 ESTABLISHED      99
SCTP C0000201 B762 AC120002 232A 0A000107 232A CLOSED      99
TCP fd00:0001:0000:0000:0000:0000:0000:0002 CB00 fd00:0001:0000:0000:0000:0000:0000:0004 0050 fd00:0001:0000:0000:0000:0000:0000:0005 0050 SYN_RECV        59
`;
  const [of] = parseState(server).servers;
  expect(openConnections(text).filter((found) => found.by === task && through(of!, found))).toHaveLength(count);
});

test.each([
  { mark: 256, family: 4, scheduler: "rr", affinity: 0 },
  { mark: 70_000, family: 6, scheduler: "wlc", affinity: 3600 },
] as const)("netlink: service $mark", (service) => {
  const { attributes } = packIpvs({ command: "service.new", service });
  expect(unpackService(attributes)).toEqual(service);
});

test.each([
  ["as the kernel says it", "0c000100 0300000000000000 0c000200 1400000000000000 0c000300 0a00000000000000", 3, 30],
  ["of another length", "08000100 03000000 08000200 14000000 0c000300 0a00000000000000", 0, 10],
  ["nothing", "", 0, 0],
])("netlink: what a service has counted, %s", (_, packets, connections, counted) => {
  const octets = hex(`${packets} 0c000400 4006000000000000 0c000500 0000000001000000`);
  const [statistics, service] = [Buffer.alloc(4), Buffer.alloc(4)];
  statistics.writeUInt16LE(4 + octets.length);
  statistics.writeUInt16LE(0x800c, 2);
  service.writeUInt16LE(4 + 8 + 4 + octets.length);
  service.writeUInt16LE(0x8001, 2);
  expect(unpackCounted(Buffer.concat([service, hex("08000500 00010000"), statistics, octets]))).toEqual({
    mark: 256,
    connections,
    packets: counted,
    bytes: 1_600 + 2 ** 32,
  });
});

test("netlink: a destination, octet by octet", () => {
  const { command, attributes } = packIpvs({
    command: "destination.new",
    service: { mark: 256, family: 4 },
    destination: { address: "10.0.1.5", port: 0, weight: 3, forwarding: "direct" },
  });
  expect(command).toBe(5);
  const hex = attributes
    .toString("hex")
    .replace(/(.{8})/g, "$1 ")
    .trim();
  expect(hex).toBe(
    [
      "14000180 06000100 02000000 08000500 00010000", // service: family 2, mark 256
      "48000280 14000100 0a000105 00000000 00000000 00000000 06000200 00000000 06000b00 02000000", // address, port, family
      "08000300 03000000 08000400 03000000 08000500 00000000 08000600 00000000", // direct, weight 3, no thresholds
    ].join(" "),
  );
});

test.each([
  ["10.0.1.5", 4, "masquerade"],
  ["fd00:1::5", 6, "direct"],
] as const)("netlink: destination %s is read as it was written", (address, family, forwarding) => {
  const destination = { address, weight: 3, forwarding, port: 0 };
  const { attributes } = packIpvs({ command: "destination.new", service: { mark: 256, family }, destination });
  expect(unpackDestination(attributes, family)).toEqual(destination);
});

test.each([
  [
    "tunnelled, from a kernel that does not say the family",
    "14000100 0a000105 00000000 00000000 00000000 06000200 00500000 08000300 02000000 08000400 01000000",
    { address: "10.0.1.5", port: 80, weight: 1, forwarding: "other" },
  ],
  ["nothing", "", { address: "", port: 0, weight: 0, forwarding: "masquerade" }],
])("netlink: a destination, %s", (_, octets, destination) => {
  const length = Buffer.alloc(4);
  length.writeUInt16LE(4 + hex(octets).length);
  length.writeUInt16LE(0x8002, 2);
  expect(unpackDestination(Buffer.concat([length, hex(octets)]), 4)).toEqual(destination);
});

/** What iptables-save prints of what iptables-restore got. */
const printed = (text: string): string => text.replaceAll("-I ", "-A ");

describe("rules", () => {
  test("options and their values", () => {
    const rule = parseRule(
      '-d 10.0.1.4/32 -p tcp -m tcp --dport 80 -m comment --comment "a b" -m ipvs ! --ipvs --tcp-flags SYN,RST SYN -j MARK',
    );
    expect(Object.fromEntries(rule)).toEqual({
      "-d": "10.0.1.4/32",
      "-p": "tcp",
      "-m tcp": "",
      "-m comment": "",
      "-m ipvs": "",
      "--dport": "80",
      "--comment": "a b",
      "! --ipvs": "",
      "--tcp-flags": "SYN,RST SYN",
      "-j": "MARK",
    });
  });

  test.each(["-d 10.0.1.4/32 -d 10.0.1.5/32", '--comment "a \\"b\\""', '--comment "a', "stray -j MARK"])(
    "none of ours: %s",
    (text) => {
      expect(unlessForeign(() => parseRule(text))).toBeUndefined();
    },
  );

  test("what was written is read, changed in one go, and taken away again with its jump", () => {
    const state = parseState("redirect 10.0.0.4 tcp 8080 to 80");
    const first = restoreText(parseSaved("", 4), state, EVERY_CHAIN, 4);
    expect(first).toBe(`*nat
:ELEVEN-REDIRECT - [0:0]
-I PREROUTING -j ELEVEN-REDIRECT
-A ELEVEN-REDIRECT -d 10.0.0.4/32 -p tcp -m tcp --dport 8080 -j REDIRECT --to-ports 80
COMMIT
`);
    const saved = parseSaved(printed(first), 4);
    expect(restoreText(saved, EMPTY, EVERY_CHAIN, 4)).toBe(`*nat
:ELEVEN-REDIRECT - [0:0]
-D PREROUTING -j ELEVEN-REDIRECT
-X ELEVEN-REDIRECT
COMMIT
`);
    expect(restoreText(parseSaved("", 4), EMPTY, EVERY_CHAIN, 4)).toBe("");
  });

  test("every kind of rule that we write is one that we know", () => {
    fc.assert(
      fc.property(randomState({ device: "eth0" }), (state) => {
        for (const family of [4, 6] as const) {
          const saved = parseSaved(printed(restoreText(parseSaved("", family), state, EVERY_CHAIN, family)), family);
          expect(saved.foreign).toBe(false);
          expect([...saved.held]).toEqual([]);
        }
      }),
    );
  });
});

describe("declared ports, ranges and sources", () => {
  test("what was written says them again, in whatever state", () => {
    fc.assert(
      fc.property(randomState({ device: "eth0" }), (state) => {
        const saved = (family: 4 | 6) =>
          parseSaved(printed(restoreText(parseSaved("", family), state, EVERY_CHAIN, family)), family);
        const destinations = new Map(
          state.servers.map((s) => [s.mark, s.destinations.map((d) => ({ ...d, port: 0, forwarding: s.forwarding }))]),
        );
        const services = state.servers.map((s) => ({ ...s, family: s.vip.includes(":") ? 6 : 4 }) as const);
        const none = { addresses: new Set<string>(), selfRoutes: new Set<string>() };
        const read = stateOf({ saved: { 4: saved(4), 6: saved(6) }, services, destinations, ...none });
        expect(stateText({ ...EMPTY, ...read, addresses: [] })).toBe(stateText({ ...state, addresses: [] }));
      }),
    );
  });

  test("a VIP whose other ports are refused: all of it has a mark that IPVS does not know, its ports have another", () => {
    const state = parseState("server web/n/4 10.0.1.4 mark 256 local rr only tcp/80,udp/5000-5010\n 10.0.1.5 1");
    const lines = restoreText(parseSaved("", 4), state, EVERY_CHAIN, 4).split("\n");
    const note = '-m comment --comment "web/n/4 local masquerade 10.0.1.4 only" -j MARK --set-xmark';
    expect(lines.filter((line) => line.startsWith("-A ELEVEN-LOCAL"))).toEqual([
      `-A ELEVEN-LOCAL -d 10.0.1.4/32 ${note} 0x80000100/0xffffffff`,
      `-A ELEVEN-LOCAL -d 10.0.1.4/32 -p tcp -m tcp --dport 80 ${note} 0x100/0xffffffff`,
      `-A ELEVEN-LOCAL -d 10.0.1.4/32 -p udp -m udp --dport 5000:5010 ${note} 0x100/0xffffffff`,
    ]);
    expect(lines).toContain(
      "-A ELEVEN-UNDECLARED -p udp -m mark --mark 0x80000100 -j REJECT --reject-with icmp-port-unreachable",
    );
  });

  test("who comes from elsewhere is dropped, before the port leads anywhere", () => {
    const state = parseState("published tcp 8000-8010 to 10.0.0.2 8000 over br from 10.0.0.0/8,192.0.2.1/32");
    const lines = restoreText(parseSaved("", 4), state, EVERY_CHAIN, 4).split("\n");
    expect(lines.filter((line) => /ELEVEN-SOURCES|DNAT/.test(line))).toEqual([
      ":ELEVEN-SOURCES - [0:0]",
      "-I PREROUTING ! -i lo -m addrtype --dst-type LOCAL -m conntrack --ctstate NEW -j ELEVEN-SOURCES",
      "-A ELEVEN-SOURCES -s 10.0.0.0/8 -p tcp -m tcp --dport 8000:8010 -j RETURN",
      "-A ELEVEN-SOURCES -s 192.0.2.1/32 -p tcp -m tcp --dport 8000:8010 -j RETURN",
      "-A ELEVEN-SOURCES -p tcp -m tcp --dport 8000:8010 -j DROP",
      '-A ELEVEN-INGRESS -p tcp -m tcp --dport 8000:8010 -m comment --comment "br" -j DNAT --to-destination 10.0.0.2',
    ]);
  });

  test.each([
    ["the rest of the VIP is not refused any more", /-A ELEVEN-UNDECLARED -p sctp.*\n/],
    ["the rest of the VIP is balanced", /(?<=only" -j MARK --set-xmark )0x80000100/],
    ["its ports come first", /-A ELEVEN-LOCAL.*0x80000100.*\n/],
  ])("%s: that is not as we left it", (_, what) => {
    const state = parseState("server web/n/4 10.0.1.4 mark 256 local rr only tcp/80");
    const rules = printed(restoreText(parseSaved("", 4), state, EVERY_CHAIN, 4));
    const text = rules.replace(what, (line) => (line.startsWith("0x") ? "0x100" : ""));
    expect(text).not.toBe(rules);
    const services = [{ mark: 256, family: 4, scheduler: "rr", affinity: 0 }] as const;
    const rest = { destinations: new Map(), addresses: new Set<string>(), selfRoutes: new Set<string>() };
    const read = (text: string) =>
      stateOf({ saved: { 4: parseSaved(text, 4), 6: parseSaved("", 6) }, services, ...rest })?.servers[0]?.affinity;
    expect([read(rules), read(text)]).toEqual([0, -1]);
  });
});

/** A namespace's rules, as they are when this state was written; and the same after somebody put a line in. */
const STATE = parseState(`
  server web/mynet/4 10.0.1.4 mark 256 local rr
  address 10.0.1.4 lo
  redirect 10.0.0.4 tcp 8080 to 80`);
const RULES = printed(restoreText(parseSaved("", 4), STATE, EVERY_CHAIN, 4));
const JUMP = "-A PREROUTING -j ELEVEN-REDIRECT\n";
const found = (text: string): Omit<LbState, "sysctls"> | undefined =>
  stateOf({
    saved: { 4: parseSaved(text, 4), 6: parseSaved("", 6) },
    services: [],
    destinations: new Map(),
    addresses: new Set(),
    selfRoutes: new Set(),
  });

describe("rules that somebody else wrote among ours", () => {
  const redirect = (words: string) => `${RULES}*nat\n-A ELEVEN-REDIRECT ${words}\n`;
  const GOOD = "-p tcp -m tcp --dport 81 -j REDIRECT --to-ports 80";

  test("none: it is as we left it", () => {
    expect(found(RULES)?.redirects).toEqual(STATE.redirects);
  });

  test.each([
    ["an option that we have not", redirect(`-d 10.0.0.5/32 ${GOOD} --modprobe=/x`)],
    ["another target", redirect("-d 10.0.0.5/32 -p tcp -m tcp --dport 81 -j DNAT --to-destination 10.0.0.9:80")],
    ["no address", redirect("-d 300.0.0.5/32 -p tcp -m tcp --dport 81 -j REDIRECT --to-ports 80")],
    ["a port that is none", redirect("-d 10.0.0.5/32 -p tcp -m tcp --dport 0 -j REDIRECT --to-ports 80")],
    ["a comment", redirect(`-d 10.0.0.5/32 ${GOOD} -m comment --comment "x"`)],
    ["a range", redirect(`-d 10.0.0.0/24 ${GOOD}`)],
    ["a mark that is too large", RULES.replace("0x100/", "0xffffffff/")],
    ["a mark of none of ours", RULES.replace("0x100/", "0xff/")],
    ["a key that is no encoding of anything", RULES.replace("web/mynet", "%zz/mynet")],
    ["another VIP in the note", RULES.replace(' 10.0.1.4"', ' 10.0.1.5"')],
    ["a device that is none", RULES.replace('"lo"', '"lo;x"')],
    [
      "the same server twice",
      RULES.replace(/(-A ELEVEN-LOCAL.*)0x100(.*\n)/, "$10x100$2$10x101$2").replace(
        'local masquerade 10.0.1.4" -j MARK --set-xmark 0x101',
        'local direct 10.0.1.4" -j MARK --set-xmark 0x101',
      ),
    ],
  ])("%s: nothing of it is believed, and all of it is written anew", (_, text) => {
    expect(text).not.toBe(RULES);
    expect(found(text)).toBeUndefined();
    const saved = parseSaved(text, 4);
    if (!saved.foreign) return; // its form is ours, what it says is not: found by its values
    const all = restoreText(saved, STATE, [], 4).split("\n");
    for (const line of RULES.split("\n").filter((line) => /^(:|-A ELEVEN)/.test(line))) expect(all).toContain(line);
  });

  test.each([
    ["with options of its own", '-A PREROUTING -m comment --comment "x --modprobe=/tmp/x" -j ELEVEN-REDIRECT'],
    ["from another chain", "-A DOCKER -j ELEVEN-REDIRECT"],
    ["by goto", "-A PREROUTING -g ELEVEN-REDIRECT"],
  ])("a jump to our chain %s: never repeated; the chain is emptied, and stays", (_, line) => {
    const text = restoreText(parseSaved(RULES.replace(JUMP, `${JUMP}${line}\n`), 4), EMPTY, EVERY_CHAIN, 4);
    expect(text).toContain(":ELEVEN-REDIRECT - [0:0]\n");
    expect(text.match(/^-[A-Z] .*REDIRECT$/gm)).toEqual(["-D PREROUTING -j ELEVEN-REDIRECT"]);
    expect(text).not.toContain("modprobe");
  });

  test("our own jump, twice: both are taken away", () => {
    const text = restoreText(parseSaved(RULES.replace(JUMP, JUMP + JUMP), 4), EMPTY, EVERY_CHAIN, 4);
    expect(text.split("-D PREROUTING -j ELEVEN-REDIRECT\n")).toHaveLength(3);
  });
});
