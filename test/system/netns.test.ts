/** Sandboxes in network namespaces, asked from inside by dig and getent. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { have, type Served, serve } from "./dig.ts";
import { eventually, Namespaces, withoutNamespaces } from "./namespaces.ts";

const ns = new Namespaces();

/** A DNS server of an application's own, on every address and port 53, UDP and TCP: it says REFUSED to everything. */
const APPLICATION = `
const refuse = (q) => { q[2] |= 0x80; q[3] = 5; return q; };
const udp = require("dgram").createSocket("udp4").on("message", (q, p) => udp.send(refuse(q), p.port, p.address));
require("net").createServer((s) => s.on("data", (q) => s.end(q))).listen(53, "0.0.0.0", () =>
  udp.bind(53, () => console.log("up")));
`;

const config = () => `
upstreams: []
networks:
  front: { subnet: 10.77.1.0/24, subnet6: "fd77:1::/64" }
  back: { subnet: 10.77.2.0/24, internal: true }
services:
  web: { networks: [front], replicas: 60 }
  db: { networks: [back], replicas: 2 }
containers:
  alice: { networks: { front: { ip: 10.77.1.201, ip6: "fd77:1::201" } } }
  bob: { networks: { front: { ip: 10.77.1.202 }, back: { ip: 10.77.2.202 } } }
  carol: { networks: { back: { ip: 10.77.2.203 } } }
sandboxes:
  a: { container: alice, netns: "${ns.path("a")}", resolv_conf: ${ns.resolvConf("a")} }
  b: { container: bob, netns: ${ns.name("b")}, upstreams: ["10.99.0.2"] }
  c: { container: carol, netns: ${ns.name("c")}, listen: ["127.0.0.11:53", "[::1]:53"] }
  busy: { container: alice, netns: ${ns.name("busy")} }
  redirected: { container: alice, netns: ${ns.name("redirected")}, bind: redirect }
  nowhere: { container: alice, netns: ${ns.name("nowhere")} }
  nofile: { container: alice, netns: /etc/passwd }
`;

const ask = (short: string, ...words: string[]) =>
  ns.exec(short, "dig", "@127.0.0.11", "+time=2", "+tries=1", "+short", ...words);

describe.skipIf(withoutNamespaces())("eleven serve in network namespaces", () => {
  let served: Served;

  beforeAll(async () => {
    await ns.add("a", "b", "c", "busy", "redirected", "up");
    await ns.ip("link add e11up netns @up type veth peer name e11b netns @b");
    for (const at of ["@up link set e11up up", "@up link set lo up", "@b link set e11b up"]) await ns.ip(`-n ${at}`);
    await ns.ip("-n @up addr add 10.99.0.2/24 dev e11up");
    await ns.ip("-n @b addr add 10.99.0.1/24 dev e11b");
    // getent wants an interface: with loopback alone it asks nobody (AI_ADDRCONFIG).
    await ns.ip("link add e11a netns @a type veth peer name e11front netns @up");
    await ns.ip("-n @a addr add 10.77.1.201/24 dev e11a");
    for (const at of ["@a link set e11a up", "@up link set e11front up"]) await ns.ip(`-n ${at}`);
    await ns.ip("-n @busy link set lo up");
    await ns.start("busy", process.execPath, "-e", APPLICATION);
    const upstream = ["--no-daemon", "--no-resolv", "--no-hosts", "--address=/example/192.0.2.7", "--log-facility=-"];
    await ns.start("up", "sh", "-c", `dnsmasq ${upstream.join(" ")} --user=root 2>&1`);
    ns.writeResolvConf("a", "search corp.example\nnameserver 127.99.0.53\noptions timeout:1 attempts:1\n");
    served = await serve(config());
  });
  afterAll(async () => {
    await served?.stop();
    ns.clean();
  });

  test("a namespace that is not there, and a file that is none, stop nobody else", async () => {
    expect(served.errors()).toMatch(/sandbox nowhere is not attached: open namespace \/run\/netns\/\S+: ENOENT/);
    expect(served.errors()).toMatch(
      /sandbox nofile is not attached: open namespace \/etc\/passwd: EINVAL \(that is no network namespace\)/,
    );
    expect(await ask("a", "alice")).toBe("10.77.1.201");
  });

  test.each([
    ["a", "alice", "10.77.1.201"],
    ["a", "alice AAAA", "fd77:1::201"],
    ["a", "-x fd77:1::201", "alice.front."],
    ["a", "bob", "10.77.1.202"],
    ["a", "carol", ""],
    ["a", "db", ""],
    ["a", "-x 10.77.2.203", ""],
    ["b", "carol", "10.77.2.203"],
    ["b", "alice", "10.77.1.201"],
    ["b", "bob.back", "10.77.2.202"],
    ["c", "bob", "10.77.2.202"],
    ["c", "alice", ""],
    ["c", "web", ""],
    ["c", "+tcp bob", "10.77.2.202"],
  ])("from %s: dig %s -> %s", async (from, question, answer) => {
    expect(await ask(from, ...question.split(" "))).toBe(answer);
  });

  test("a long answer is cut over UDP and whole over TCP", async () => {
    expect(await ns.exec("a", "dig", "@127.0.0.11", "+ignore", "+noedns", "tasks.web")).toMatch(
      /flags: qr aa tc rd ra/,
    );
    expect((await ask("a", "tasks.web")).split("\n")).toHaveLength(60);
    expect((await ask("a", "+tcp", "tasks.web")).split("\n")).toHaveLength(60);
  });

  test("it listens on IPv6, too, where it is told to", async () => {
    expect(await ns.exec("c", "dig", "@::1", "+short", "bob")).toBe("10.77.2.202");
  });

  test("an upstream is asked from the sandbox's own namespace; internal networks ask nobody", async () => {
    expect(await ask("b", "www.example")).toBe("192.0.2.7");
    expect(await ask("b", "+tcp", "www.example")).toBe("192.0.2.7");
    expect(await ns.exec("c", "dig", "@127.0.0.11", "www.example")).toMatch(/status: NXDOMAIN/);
  });

  test("getent finds names through the resolv.conf that was written", async () => {
    expect(ns.readResolvConf("a").split("\n").slice(4, -1)).toEqual([
      "nameserver 127.0.0.11",
      "search corp.example",
      "options timeout:1 attempts:1 ndots:0",
      "",
      `# Based on file: '${ns.resolvConf("a")}' (internal resolver)`,
      "# NO EXTERNAL NAMESERVERS DEFINED",
      "# Overrides: []",
      "# Option ndots from: internal",
    ]);
    expect(await ns.exec("a", "getent", "ahostsv4", "bob")).toMatch(/^10\.77\.1\.202\s/);
  });

  test("where an application has port 53, it is redirected for 127.0.0.11, and only there", async () => {
    expect(served.errors()).toMatch(/busy: 127\.0\.0\.11:53 is taken there; it is redirected/);
    await eventually(
      () => ask("busy", "alice"),
      (answer) => answer === "10.77.1.201", // nft may have been too slow for once
    );
    expect(await ask("busy", "+tcp", "alice")).toBe("10.77.1.201");
    expect(await ns.exec("busy", "dig", "@127.0.0.1", "+noedns", "alice")).toMatch(/status: REFUSED/);
  });

  test("bind: redirect leaves port 53 to applications", async () => {
    await eventually(
      () => ask("redirected", "alice"),
      (answer) => answer === "10.77.1.201",
    );
    expect(await ask("redirected", "+tcp", "alice")).toBe("10.77.1.201");
    expect(await ns.exec("redirected", "ss", "-Hlnu", "sport = :53")).toBe("");
  });

  test("a namespace that comes later is attached, one that goes is let go, and may come back", async () => {
    await ns.add("nowhere");
    await eventually(
      () => ask("nowhere", "bob"),
      (answer) => answer === "10.77.1.202",
    );
    const open = served.descriptors();
    await ns.remove("nowhere");
    await eventually(served.errors, (text) => /sandbox nowhere is not attached: its namespace \S+ is gone/.test(text));
    await eventually(served.descriptors, (now) => now < open);
    await ns.add("nowhere");
    await eventually(
      () => ask("nowhere", "bob"),
      (answer) => answer === "10.77.1.202",
    );
    expect(await ask("a", "alice")).toBe("10.77.1.201");
  });

  test("the end leaves nothing behind", async () => {
    expect(await served.stop()).toBe(0);
    expect(ns.readResolvConf("a")).toBe("search corp.example\nnameserver 127.99.0.53\noptions timeout:1 attempts:1\n");
    expect(await ns.exec("a", "ls", `/etc/netns/${ns.name("a")}`)).toBe("resolv.conf");
    for (const short of ["busy", "redirected"]) {
      expect(await ns.exec(short, "nft", "list", "ruleset")).toBe("");
      expect(await ns.exec(short, "ss", "-Hlnut", "src 127.0.0.11")).toBe("");
    }
  });
});

describe.skipIf(withoutNamespaces() || !have("nft"))("eleven serve --netns", () => {
  afterAll(() => ns.clean());

  test("is as if the file said so: names, and what stands behind them", async () => {
    await ns.add("one");
    const file = `
networks: { front: { subnet: 10.77.1.0/24 } }
services: { web: { networks: { front: { vip: 10.77.1.80 } }, replicas: 2 } }
containers: { alice: { networks: [front] } }
sandboxes: { alice: { container: alice, listen: "127.0.0.1:5300" } }
`;
    const served = await serve(file, { args: ["--netns", ns.name("one")] });
    await eventually(
      () => ask("one", "web"),
      (answer) => answer === "10.77.1.80",
    );
    await eventually(
      () => ns.exec("one", "nft", "list", "map", "inet", "eleven", "local4"),
      (rules) => rules.includes("10.77.1.80 : goto"),
    );
    expect(await served.stop()).toBe(0);
    expect(await ns.exec("one", "nft", "list", "ruleset")).toBe("");
  });

  test("a namespace that is not there is waited for, and said", async () => {
    const file = "networks: { n: {} }\ncontainers: { c: { networks: [n] } }\nsandboxes: { c: { container: c } }\n";
    const served = await serve(file, { args: ["--netns", ns.name("none")] });
    expect(served.line).toMatch(/^eleven \S+: c not yet$/);
    expect(served.errors()).toMatch(/none: ENOENT \(there is no such namespace\)/);
    expect(await served.stop()).toBe(0);
  });
});
