/** The command as people run it, asked with dig. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { asked, dig, freePort, have, type Served, serve } from "./dig.ts";

const CONFIG = (plane: string, port: number, other: number) => `
${plane}
upstreams: []
networks:
  mynet: { subnet: 10.0.1.0/24, subnet6: "fd00:1::/64" }
  inner: { subnet: 10.0.2.0/24, internal: true }
services:
  web:
    networks: { mynet: { aliases: [www, "*.app"], vip: 10.0.1.2 } }
    replicas: 3
    ports: [{ name: http, target: 80 }]
  rr: { networks: [mynet], endpoint_mode: dnsrr, replicas: 3 }
  big: { networks: [mynet], endpoint_mode: dnsrr, replicas: 60 }
containers:
  client: { networks: { mynet: { ip: 10.0.1.200, ip6: "fd00:1::200" } } }
  lone: { networks: [inner] }
sandboxes:
  client: { container: client, listen: "127.0.0.1:${port}" }
  lone: { container: lone, listen: "127.0.0.1:${other}" }
`;
const SOA = (owner: string) => `${owner} 5 SOA eleven.invalid. nobody.invalid. 1 3600 1200 604800 5`;

const PLANES = [
  ["a worker thread, in batches", "workers: 1"],
  ["the main thread, in batches", "workers: 0"],
  ["the main thread, over node's sockets", "workers: 0\ntransport: dgram"],
] as const;

describe.skipIf(!have("dig")).each(PLANES)("eleven serve on %s", (_, plane) => {
  let port: number;
  let lone: number;
  let served: Served;

  beforeAll(async () => {
    [port, lone] = [await freePort(), await freePort()];
    served = await serve(CONFIG(plane, port, lone));
  });
  afterAll(async () => {
    expect(await served.stop()).toBe(0);
  });

  test("says on one line where it listens", () => {
    expect(served.line).toMatch(new RegExp(`^eleven \\S+: client on 127.0.0.1:${port}, lone on 127.0.0.1:${lone}$`));
  });

  test.each([
    ["web", "NOERROR qr aa rd ra | web. 600 A 10.0.1.2 | EDNS"],
    ["+noedns web", "NOERROR qr aa rd ra | web. 600 A 10.0.1.2"],
    ["+dnssec web", "NOERROR qr aa rd ra | web. 600 A 10.0.1.2 | EDNS do"],
    ["+norec web", "NOERROR qr aa ra | web. 600 A 10.0.1.2 | EDNS"],
    ["+cdflag web", "NOERROR qr aa rd ra cd | web. 600 A 10.0.1.2 | EDNS"],
    ["+tcp web", "NOERROR qr aa rd ra | web. 600 A 10.0.1.2 | EDNS"],
    ["+cookie web", "NOERROR qr aa rd ra | web. 600 A 10.0.1.2 | EDNS"],
    ["+ednsopt=65001:00ff web", "NOERROR qr aa rd ra | web. 600 A 10.0.1.2 | EDNS"],
    ["WeB.MyNet", "NOERROR qr aa rd ra | WeB.MyNet. 600 A 10.0.1.2 | EDNS"],
    ["web AAAA", "NOERROR qr aa rd ra | web. 600 AAAA fd00:1::2 | EDNS"],
    ["x.y.app", "NOERROR qr aa rd ra | x.y.app. 600 A 10.0.1.2 | EDNS"],
    [
      "tasks.web",
      "NOERROR qr aa rd ra | tasks.web. 5 A 10.0.1.3, tasks.web. 5 A 10.0.1.4, tasks.web. 5 A 10.0.1.5 | EDNS",
    ],
    ["3.web", "NOERROR qr aa rd ra | 3.web. 5 A 10.0.1.5 | EDNS"],
    ["4.web", `NXDOMAIN qr aa rd ra | ${SOA("web.")} | EDNS`],
    ["client", "NOERROR qr aa rd ra | client. 5 A 10.0.1.200 | EDNS"],
    ["-x 10.0.1.2", "NOERROR qr aa rd ra | 2.1.0.10.in-addr.arpa. 600 PTR web.mynet. | EDNS"],
    [
      "-x fd00:1::200",
      `NOERROR qr aa rd ra | 0.0.2.0.${"0.".repeat(20)}1.0.0.0.0.0.d.f.ip6.arpa. 5 PTR client.mynet. | EDNS`,
    ],
    ["_http._tcp.web SRV", "NOERROR qr aa rd ra | _http._tcp.web. 600 SRV 0 0 80 web.mynet. | EDNS"],
    ["web TXT", 'NOERROR qr aa rd ra | web. 600 TXT "id=web" "mode=vip" "service=web" | EDNS'],
    ["web MX", `NOERROR qr aa rd ra | ${SOA("web.")} | EDNS`],
    ["web HTTPS", `NOERROR qr aa rd ra | ${SOA("web.")} | EDNS`],
    ["web.mynet NAPTR", `NOERROR qr aa rd ra | ${SOA("web.mynet.")} | EDNS`],
    ["web SOA", `NOERROR qr aa rd ra | ${SOA("web.")} | EDNS`],
    ["-x 10.0.1.99", `NXDOMAIN qr aa rd ra | ${SOA("1.0.10.in-addr.arpa.")} | EDNS`],
    ["_dns.resolver.arpa SVCB", `NOERROR qr aa rd ra | ${SOA("resolver.arpa.")} | EDNS`],
    ["web ANY", 'NOERROR qr aa rd ra | web. 3600 HINFO "RFC8482" "" | EDNS'],
    ["web AXFR", "undefined undefined"],
    ["localhost", "NOERROR qr aa rd ra | localhost. 86400 A 127.0.0.1 | EDNS"],
    ["x.invalid", `NXDOMAIN qr rd ra | ${SOA(".")} | EDNS`],
    ["nosuch.example", "SERVFAIL qr rd ra | EDNS EDE 22"],
    ["+edns=1 +noednsnegotiation web", "BADVERS qr rd ra | EDNS"],
    ["+opcode=STATUS web", "NOTIMP qr rd ra | EDNS"],
    ["+opcode=STATUS +noedns web", "NOTIMP qr rd ra"],
    [
      "CH TXT version.bind",
      expect.stringMatching(/^NOERROR qr aa rd ra \| version\.bind\. 0 TXT "eleven \d+\.\d+\.\d+" \| EDNS$/),
    ],
    ["CH TXT id.server", 'NOERROR qr aa rd ra | id.server. 0 TXT "eleven" | EDNS'],
    ["CH A web", "REFUSED qr rd ra | EDNS EDE 20"],
  ])("dig %s", async (words, expected) => {
    expect(await asked(port, ...words.split(" "))).toEqual(expected);
  });

  test.each([
    ["lone", "NOERROR qr aa rd ra | lone. 5 A 10.0.2.2 | EDNS"],
    ["web", `NXDOMAIN qr rd ra | ${SOA(".")} | EDNS EDE 15`],
    ["-x 10.0.1.2", `NXDOMAIN qr rd ra | ${SOA(".")} | EDNS EDE 15`],
    ["example.com MX", `NXDOMAIN qr rd ra | ${SOA(".")} | EDNS EDE 15`],
    ["inner", `NOERROR qr rd ra | ${SOA(".")} | EDNS EDE 15`],
  ])("the sandbox on the internal network: dig %s", async (words, expected) => {
    expect(await asked(lone, ...words.split(" "))).toEqual(expected);
  });

  test.each([
    [["+noedns", "+ignore"], 30, true],
    [["+bufsize=512", "+ignore"], 30, true],
    [["+bufsize=1232"], 60, false],
    [["+noedns"], 60, false], // dig comes back over TCP by itself
  ])("60 addresses, dig %s: %i come", async (words, count, truncated) => {
    const text = await dig(port, ...words, "big");
    expect(text.match(/\s5\s+IN\s+A\s/g)?.length).toBe(count);
    expect(/flags: qr aa tc/.test(text)).toBe(truncated);
  });

  test("200 answers of dnsrr: every task is first about equally often", async () => {
    const first = new Map<string, number>();
    const words = Array.from({ length: 200 }, () => ["+short", "rr"]).flat();
    const lines = (await dig(port, ...words)).trim().split("\n");
    expect(lines.length).toBe(600);
    for (let i = 0; i < lines.length; i += 3) first.set(lines[i]!, (first.get(lines[i]!) ?? 0) + 1);
    expect(first.size).toBe(3);
    for (const n of first.values()) expect(n).toBeGreaterThan(35); // of 66 expected: five standard deviations
  });

  test("many questions on one connection", async () => {
    const text = await dig(port, "+tcp", "+keepopen", "+short", "web", "client", "3.web");
    expect(text.trim().split("\n").sort()).toEqual(["10.0.1.2", "10.0.1.200", "10.0.1.5"]);
  });
});
