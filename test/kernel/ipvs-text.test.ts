/** What the ipvs backend reads and writes as text and octets; needs no kernel. */
import { describe, expect, test } from "vitest";
import { parseInterfaces } from "../../src/lb-programmer/backends/ipvs/interfaces.ts";
import { EVERY_CHAIN, parseRule, parseSaved, restoreText } from "../../src/lb-programmer/backends/ipvs/saved.ts";
import { EMPTY } from "../../src/lb-programmer/types.ts";
import { countConnections, packIpvs, parseDestinations, unpackService } from "../../src/os/ipvs.ts";
import { parseState } from "../lb-programmer/state-text.ts";

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

test.each([
  ["10.0.1.7", 2],
  ["fd00:1::5", 1],
  ["10.0.1.6", 0],
])("/proc/net/ip_vs_conn: open connections to %s are %i", (address, count) => {
  const text = `Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP 0A000102 B75C 0A000104 0050 0A000107 0050 ESTABLISHED     899
TCP 0A000102 B75E 0A000104 0050 0A000107 0050 FIN_WAIT        119
TCP 0A000102 B760 0A000104 0050 0A000107 0050 TIME_WAIT       119
UDP 0A000102 8D46 0A000104 0035 0A000107 0035 UDP             299
IP  0A000102 0000 00000100 0000 0A000107 0000 NONE            299
TCP 0A000102 B762 0A000104 0050 0A000106 0050 CLOSE             9
TCP fd00:0001:0000:0000:0000:0000:0000:0002 CB00 fd00:0001:0000:0000:0000:0000:0000:0004 0050 fd00:0001:0000:0000:0000:0000:0000:0005 0050 SYN_RECV        59
`;
  expect(countConnections(text, address)).toBe(count);
});

test.each([
  { mark: 256, family: 4, scheduler: "rr", affinity: 0 },
  { mark: 70_000, family: 6, scheduler: "wlc", affinity: 3600 },
] as const)("netlink: service $mark", (service) => {
  const { attributes } = packIpvs({ command: "service.new", service });
  expect(unpackService(attributes)).toEqual(service);
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

describe("rules", () => {
  test("options and their values", () => {
    const rule = parseRule(
      '-d 10.0.1.4/32 -p tcp -m tcp --dport 80 -m comment --comment "a \\"b\\" c" -m ipvs --ipvs -j MARK',
    );
    expect(Object.fromEntries(rule)).toMatchObject({
      "-d": "10.0.1.4/32",
      "--dport": "80",
      "--ipvs": "",
      "-j": "MARK",
    });
  });

  test("what was written is read, changed in one go, and taken away again with its jump", () => {
    const state = parseState("redirect 10.0.0.4 tcp 8080 to 80");
    const first = restoreText(parseSaved(""), state, EVERY_CHAIN, 4);
    expect(first).toBe(`*nat
:ELEVEN-REDIRECT - [0:0]
-I PREROUTING -j ELEVEN-REDIRECT
-A ELEVEN-REDIRECT -d 10.0.0.4/32 -p tcp -m tcp --dport 8080 -j REDIRECT --to-ports 80
COMMIT
`);
    const saved = parseSaved(first.replace("-I ", "-A "));
    expect(restoreText(saved, EMPTY, EVERY_CHAIN, 4)).toBe(`*nat
:ELEVEN-REDIRECT - [0:0]
-D PREROUTING -j ELEVEN-REDIRECT
-X ELEVEN-REDIRECT
COMMIT
`);
    expect(restoreText(parseSaved(""), EMPTY, EVERY_CHAIN, 4)).toBe("");
  });
});

test("ip -j: addresses, and local routes that are not the kernel's own", () => {
  const text = `[{"ifname":"lo","addr_info":[{"local":"127.0.0.1","prefixlen":8}]},{"ifname":"eth0","addr_info":[{"local":"10.0.1.4","prefixlen":32}]}]
[{"type":"local","dst":"10.0.1.50","dev":"lo","table":"local","prefsrc":"10.0.1.5"},{"type":"local","dst":"10.0.1.5","table":"local","protocol":"kernel","prefsrc":"10.0.1.5"}]
`;
  expect(parseInterfaces(text)).toEqual({
    addresses: new Set(["127.0.0.1/8 lo", "10.0.1.4/32 eth0"]),
    selfRoutes: new Set(["10.0.1.50 10.0.1.5"]),
  });
});
