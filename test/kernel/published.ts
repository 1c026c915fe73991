/**
 * Published ports, for every backend: from another machine, from the host and from its containers, through the ingress sandbox
 * to tasks anywhere (or here only), and straight to a task in host mode.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { LbBackend } from "../../src/lb-programmer/backends/backend.ts";
import { eachPort } from "../../src/model/port-range.ts";
import type { Port } from "../../src/model/types.ts";
import type { Peer } from "./peer.ts";
import { beginRows } from "./row.ts";
import { type Family, Swarm } from "./swarm.ts";
import { COUNTED, less, names, type TrafficOptions, tally, udpTaken } from "./traffic.ts";
import { addressesOf, addressOf, cidrOf, HOST, makeWorld, OUTSIDE, PORT, type World } from "./world.ts";

const PUBLISHED = 8080;
const mesh = (port: Partial<Port> = {}): Port[] =>
  (["tcp", "udp"] as const).map((protocol) => ({
    protocol,
    target: PORT,
    published: PUBLISHED,
    mode: "ingress",
    ...port,
  }));

/** Who connects where. Not ::1, which can't lead anywhere: the kernel has no route_localnet for IPv6. */
const FROM: readonly { from: string; client: string; to: (family: Family) => string; families: readonly Family[] }[] = [
  { from: "outside", client: "outside", to: (family) => HOST[family], families: [4, 6] },
  { from: "the host, at its own address", client: "host", to: (family) => HOST[family], families: [4, 6] },
  {
    from: "the host, at its bridge",
    client: "host",
    to: (family) => addressOf("host", "gw", family),
    families: [4, 6],
  },
  {
    from: "the host, at loopback",
    client: "host",
    to: () => "127.0.0.1",
    families: [4],
  },
  {
    from: "a container on the host's bridge",
    client: "c1",
    to: (family) => addressOf("host", "gw", family),
    families: [4, 6],
  },
  { from: "a task of the service", client: "t1", to: (family) => addressOf("host", "gw", family), families: [4, 6] },
  { from: "a container, at the host's other address", client: "c2", to: (family) => HOST[family], families: [4, 6] },
];

/** The chain of firewalld (2.3) that forwarded packets go through, as far as it decides; a reload replaces its table. */
const FIREWALLD = `
  add table inet firewalld
  add chain inet firewalld filter_FORWARD { type filter hook forward priority filter + 10 ; policy drop ; }
  add rule inet firewalld filter_FORWARD ct state { established, related } accept
  add rule inet firewalld filter_FORWARD ct status dnat accept
  add rule inet firewalld filter_FORWARD reject with icmpx admin-prohibited`;

export function publishedSuite(
  name: string,
  makeBackend: () => LbBackend,
  { families = [4, 6], tolerance = 0.15, flush, dump, look = dump }: TrafficOptions,
): void {
  describe(`published ports: ${name}`, () => {
    let world: World;
    let backend: LbBackend;
    let swarm: Swarm;
    const peer = (name: string): Peer => world.peers[name]!;

    beforeAll(async () => {
      world = await makeWorld();
      backend = makeBackend();
      swarm = new Swarm(world, backend, "network");
      await Promise.all((["t1", "t2", "t3"] as const).map((task) => peer(task).serve(addressesOf(task), 7005)));
    });
    afterAll(async () => {
      backend?.close?.();
      await world?.close();
    });
    beginRows(() => ({ world, swarm, balancers: swarm.targets, look }));

    async function web(ports: readonly Port[], nodes: readonly string[] = ["here", "here", "here"]): Promise<void> {
      swarm.service("web", { ports });
      for (const [i, node] of nodes.entries()) swarm.task((["t1", "t2", "t3"] as const)[i]!, "web", { node });
      await swarm.settle();
    }

    describe.each(families.map((family) => ({ family })))("IPv$family", ({ family }) => {
      const rows = FROM.filter((row) => row.families.includes(family));

      test.each(rows)("from $from, to every task, as the ingress sandbox", async ({ client, to }) => {
        await web(mesh());
        for (const protocol of ["tcp", "udp"] as const) {
          const answers = await peer(client).ask(to(family), PUBLISHED, { protocol, count: 90 });
          for (const task of ["t1", "t2", "t3"]) {
            const count = answers.filter((a) => a === `${task} ${addressOf("ingress", "mesh", family)}`).length;
            expect(Math.abs(count - 30), `${protocol}: ${tally(answers)}`).toBeLessThanOrEqual(30 * tolerance);
          }
        }
      });

      test('traffic "local": tasks of this node only, and they see the client', async () => {
        await web(mesh({ traffic: "local" }), ["here", "elsewhere", "here"]);
        for (const protocol of ["tcp", "udp"] as const) {
          const answers = new Set(await peer("outside").ask(HOST[family], PUBLISHED, { protocol, count: 30 }));
          expect(answers).toEqual(new Set(["t1", "t3"].map((task) => `${task} ${OUTSIDE[family]}`)));
        }
      });

      test("a port that keeps the client beside one that does not", async () => {
        const local = mesh({ traffic: "local", published: 9090 });
        await web([...mesh(), ...local], ["here", "elsewhere", "here"]);
        const answers = await peer("outside").ask(HOST[family], 9090, { count: 12 });
        expect(new Set(answers)).toEqual(new Set(["t1", "t3"].map((task) => `${task} ${OUTSIDE[family]}`)));
        expect(names(await peer("outside").ask(HOST[family], PUBLISHED, { count: 12 }))).toEqual(["t1", "t2", "t3"]);
      });

      test("what connections carry is counted, of each port's service", async () => {
        swarm.service("api", { ports: [...mesh(), ...mesh({ traffic: "local", published: 9090 })] });
        for (const task of ["t1", "t2", "t3"] as const) swarm.task(task, "api");
        await swarm.settle();
        const taken = async (key: string) => (await backend.taken!(swarm.target("ingress"))).get(key)!;
        for (const [port, key] of [
          [PUBLISHED, `api/mesh/${family}`],
          [9090, `api/mesh/${family}/local`],
        ] as const) {
          const before = await taken(key);
          const answers = await peer("outside").ask(HOST[family], port, { protocol: "udp", count: 9 });
          expect(names(answers)).toEqual(["t1", "t2", "t3"]);
          await vi.waitFor(
            async () => expect(less(await taken(key), before), key).toEqual(udpTaken(answers, family)),
            COUNTED,
          );
        }
      });

      test("no task: refused at once; another port is none of ours", async () => {
        await web(mesh(), []);
        for (const port of [PUBLISHED, PUBLISHED + 1]) {
          const started = performance.now();
          expect(await peer("outside").ask(HOST[family], port)).toEqual(["error ECONNREFUSED"]);
          expect(performance.now() - started).toBeLessThan(1000);
        }
      });

      test("ranges of ports, kept or moved", async () => {
        const range = (target: string, published: string) => eachPort({ ...mesh()[0]!, target, published });
        await web([...range("7000-7009", "7000-7009"), ...range("73-82", "9000-9009")]);
        const ask = (port: number, from = "outside") => peer(from).ask(HOST[family], port, { count: 9 });
        expect(names(await ask(7005))).toEqual(["t1", "t2", "t3"]);
        expect(names(await ask(7005, "host"))).toEqual(["t1", "t2", "t3"]);
        expect(names(await ask(9007))).toEqual(["t1", "t2", "t3"]);
        for (const port of [6999, 7004, 7010, 9008, 9010])
          expect(names(await ask(port))).toEqual(["error ECONNREFUSED"]);
      });

      test("sources: others' connections are dropped, not the host's own, nor what is open", async () => {
        const from = (...sources: string[]) => web(mesh({ sources }));
        await from(`${OUTSIDE[family]}/${family === 4 ? 32 : 128}`);
        const outside = peer("outside");
        const gateway = addressOf("host", "gw", family);
        for (const protocol of ["tcp", "udp"] as const)
          expect(names(await outside.ask(HOST[family], PUBLISHED, { protocol, count: 9 }))).toEqual(["t1", "t2", "t3"]);
        expect(names(await peer("host").ask(HOST[family], PUBLISHED, { count: 9 }))).toEqual(["t1", "t2", "t3"]);
        expect(await peer("c1").hold("other", gateway, PUBLISHED, "tcp", 700)).toBe("error timeout");
        await peer("c1").drop("other");
        await outside.hold("open", HOST[family], PUBLISHED);
        await from(cidrOf("gw", family));
        expect(await outside.line("open")).toMatch(/^t[123] /);
        for (const protocol of ["tcp", "udp"] as const)
          expect(await outside.hold(protocol, HOST[family], PUBLISHED, protocol, 700)).toBe("error timeout");
        expect(names(await peer("c1").ask(gateway, PUBLISHED, { count: 9 }))).toEqual(["t1", "t2", "t3"]);
        expect(names(await peer("host").ask(HOST[family], PUBLISHED, { count: 9 }))).toEqual(["t1", "t2", "t3"]);
        expect(await outside.ask(HOST[family], PUBLISHED + 1)).toEqual(["error ECONNREFUSED"]);
        for (const name of ["open", "tcp", "udp"]) await outside.drop(name);
      });

      test("sources of the other family only: nobody of this one, but the host's own", async () => {
        await web(mesh({ sources: [family === 4 ? "fd00::/8" : "10.0.0.0/8"] }));
        for (const protocol of ["tcp", "udp"] as const)
          expect(await peer("outside").hold(protocol, HOST[family], PUBLISHED, protocol, 700)).toBe("error timeout");
        expect(names(await peer("host").ask(HOST[family], PUBLISHED, { count: 9 }))).toEqual(["t1", "t2", "t3"]);
        for (const name of ["tcp", "udp"]) await peer("outside").drop(name);
      });

      test("a task that drains keeps what is open", async () => {
        await web(mesh());
        const outside = peer("outside");
        const holders = await Promise.all(["a", "b", "c"].map((key) => outside.hold(key, HOST[family], PUBLISHED)));
        const key = ["a", "b", "c"][holders.findIndex((answer) => answer.startsWith("t2 "))]!;
        swarm.task("t2", "web", { state: "draining" });
        await swarm.settle();
        expect(await outside.line(key)).toMatch(/^t2 /);
        expect(names(await outside.ask(HOST[family], PUBLISHED, { count: 12 }))).toEqual(["t1", "t3"]);
        const server = swarm.plan(swarm.target("ingress")).servers.find((s) => s.key === `web/mesh/${family}`)!;
        const task = { address: addressOf("t2", "mesh", family), weight: 0 };
        expect(await backend.connections(swarm.target("ingress"), server, task)).toBe(1);
        for (const name of ["a", "b", "c"]) await outside.drop(name);
      });

      test.each(rows)("host mode, from $from", async ({ client, to }) => {
        const port = { protocol: "tcp", port: PUBLISHED, bridge: "gw" } as const;
        const there = addressOf("t3", "gw", family);
        const published = [
          { ...port, to: there, toPort: PORT },
          { ...port, port: 7000, last: 7009, to: there, toPort: 7000 },
        ];
        const ops = published.map((published) => ({ op: "published.add", published }) as const);
        await backend.apply(swarm.target("host"), ops, { ...swarm.plan(swarm.target("host")), published });
        for (const port of [PUBLISHED, 7005])
          expect(names(await peer(client).ask(to(family), port, { count: 6 }))).toEqual(["t3"]);
      });

      test("a firewall that drops what is forwarded: passed, and again after it was loaded anew", async () => {
        const { run } = world.namespaces["host"]!;
        const iptables = family === 4 ? "iptables" : "ip6tables";
        try {
          await run(iptables, "-P", "FORWARD", "DROP");
          await web(mesh());
          expect(names(await peer("outside").ask(HOST[family], PUBLISHED, { count: 6 }))).toEqual(["t1", "t2", "t3"]);
          expect(await swarm.settle()).toEqual({});
          await run(iptables, "-F");
          await run(iptables, "-X");
          expect(Object.keys(await swarm.settle())).toEqual(["host"]);
          expect(names(await peer("outside").ask(HOST[family], PUBLISHED, { count: 6 }))).toEqual(["t1", "t2", "t3"]);
          await backend.clear(swarm.target("host"));
          expect(await run(iptables, "-S")).not.toContain("ELEVEN");
        } finally {
          await run(iptables, "-F");
          await run(iptables, "-P", "FORWARD", "ACCEPT");
        }
      });

      test("firewalld drops what is forwarded: passed, and again after it was loaded anew", async ({ skip }) => {
        const { run } = world.namespaces["host"]!;
        const there = await run("nft", "add table inet firewalld").catch(() => undefined);
        if (there === undefined) return skip("this kernel has no such tables");
        try {
          await run("nft", FIREWALLD);
          await web(mesh());
          for (const load of [1, 2]) {
            expect(names(await peer("outside").ask(HOST[family], PUBLISHED, { count: 6 })), `load ${load}`).toEqual([
              "t1",
              "t2",
              "t3",
            ]);
            await run("nft", `delete table inet firewalld; ${FIREWALLD}`);
            expect(await swarm.settle()).toEqual({});
          }
        } finally {
          await run("nft", "add table inet firewalld; delete table inet firewalld");
        }
      });
    });

    test("at ::1 it is refused, rather than lost", async () => {
      await web(mesh());
      expect(await peer("host").ask("::1", PUBLISHED)).toEqual(["error ECONNREFUSED"]);
    });

    test.each(["host", "ingress", "sandbox/t1"])("what somebody flushed in %s comes back", async (id) => {
      await web(mesh());
      await flush(swarm.target(id).netns!);
      expect(Object.keys(await swarm.settle())).toEqual([id]);
      expect(names(await peer("outside").ask(HOST[families[0]!], PUBLISHED, { count: 12 }))).toEqual([
        "t1",
        "t2",
        "t3",
      ]);
    });
  });
}
