/**
 * What connections really do, for every backend and placement: one suite, in the world of world.ts, along the road that a node
 * takes (registry, plan, diff, apply). Both address families.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { LbBackend, Taken } from "../../src/lb-programmer/backends/backend.ts";
import { diff } from "../../src/lb-programmer/diff.ts";
import type { Placement } from "../../src/lb-programmer/state.ts";
import type { Peer } from "./peer.ts";
import { beginRows } from "./row.ts";
import { type Family, Swarm, vipOf } from "./swarm.ts";
import { PATIENCE, until } from "./until.ts";
import { addressOf, makeWorld, PORT, type World } from "./world.ts";

export interface TrafficOptions {
  readonly families?: readonly Family[];
  /** Share that a task's part of 300 connections may be off by. Default 0.15. */
  readonly tolerance?: number;
  /** Empties the namespace at this path behind the backend's back. */
  readonly flush: (netns: string) => Promise<void>;
  /** Rules and addresses of the namespace as text, ours and others'. */
  readonly dump: (netns: string) => Promise<string>;
  /** More than that, with what changes by itself: for whoever reads of a failure. Default: `dump`. */
  readonly look?: (netns: string) => Promise<string>;
}

export function trafficSuite(
  name: string,
  makeBackend: () => LbBackend,
  placement: Placement,
  { families = [4, 6], tolerance = 0.15, flush, dump, look = dump }: TrafficOptions,
): void {
  describe(`traffic: ${name}, balanced in the ${placement}`, () => {
    let world: World;
    let backend: LbBackend;
    let swarm: Swarm;
    const peer = (name: string): Peer => world.peers[name]!;

    beforeAll(async () => {
      world = await makeWorld();
      backend = makeBackend();
      swarm = new Swarm(world, backend, placement);
    });
    afterAll(async () => {
      backend?.close?.();
      await world?.close();
    });
    beginRows(() => ({ world, swarm, balancers: [...new Set([balancer("c1"), balancer("t2")])], look }));

    /** A service `web` with the tasks t1, t2 and t3. */
    async function web(options: Parameters<Swarm["service"]>[1] = {}): Promise<void> {
      swarm.service("web", options);
      for (const task of ["t1", "t2", "t3"] as const) swarm.task(task, "web");
      await swarm.settle();
    }

    /** Where connections of a client are balanced. */
    const balancer = (client: string, network: "blue" | "green" = "blue") =>
      swarm.target(placement === "sandbox" ? `sandbox/${client}` : `network/${network}`);

    /** Connections through `web`'s VIP on blue to a task, as the backend counts them. */
    async function connections(client: string, task: string, family: Family): Promise<number> {
      const target = balancer(client);
      const server = swarm.plan(target).servers.find(({ vip }) => vip === vipOf("web", "blue", family))!;
      return backend.connections(target, server, { address: addressOf(task, "blue", family), weight: 0 });
    }

    describe.each(families.map((family) => ({ family })))("IPv$family", ({ family }) => {
      const vip = (service = "web", network: "blue" | "green" = "blue") => vipOf(service, network, family);
      /** Whom a task sees. */
      const seen = (client: string, network: "blue" | "green" = "blue") =>
        addressOf(placement === "sandbox" ? client : `${network}-lb`, network, family);

      test.each(["tcp", "udp"] as const)("300 %s connections are shared out evenly", async (protocol) => {
        await web();
        const answers = await peer("c1").ask(vip(), PORT, { protocol, count: 300 });
        for (const task of ["t1", "t2", "t3"]) {
          const count = answers.filter((answer) => answer === `${task} ${seen("c1")}`).length;
          expect(Math.abs(count - 100), `${task}: ${count} of ${tally(answers)}`).toBeLessThanOrEqual(100 * tolerance);
        }
      });

      test("a task reaches its own service, itself included", async () => {
        await web();
        const answers = await peer("t2").ask(vip(), PORT, { count: 30 });
        expect(names(answers)).toEqual(["t1", "t2", "t3"]);
      });

      test("two services, one of them on two networks", async () => {
        await web({ on: ["blue", "green"] });
        swarm.service("api");
        swarm.task("t4", "api");
        await swarm.settle();
        expect(names(await peer("c1").ask(vip("web"), PORT, { count: 12 }))).toEqual(["t1", "t2", "t3"]);
        expect(names(await peer("c1").ask(vip("api"), PORT, { count: 12 }))).toEqual(["t4"]);
        const green = await peer("c2").ask(vip("web", "green"), PORT, { count: 12 });
        expect(new Set(green)).toEqual(new Set(["t1", "t2", "t3"].map((task) => `${task} ${seen("c2", "green")}`)));
      });

      test("weights", async () => {
        swarm.service("web");
        swarm.task("t1", "web", { weight: 3 });
        swarm.task("t2", "web", { weight: 1 });
        await swarm.settle();
        const answers = await peer("c1").ask(vip(), PORT, { count: 200 });
        const heavy = answers.filter((answer) => answer.startsWith("t1 ")).length;
        expect(Math.abs(heavy - 150), tally(answers)).toBeLessThanOrEqual(150 * tolerance);
        expect(names(answers)).toEqual(["t1", "t2"]);
      });

      test.each(["sh", "mh"] as const)("%s: a client's connections go to one task", async (scheduler) => {
        await web({ balance: { scheduler } });
        expect(names(await peer("c1").ask(vip(), PORT, { count: 20 }))).toHaveLength(1);
      });

      test("what connections carry is counted: packets and octets, both ways, each once", async () => {
        swarm.service("api");
        for (const task of ["t1", "t2", "t3"] as const) swarm.task(task, "api");
        await swarm.settle();
        const taken = async (client: string) => (await backend.taken!(balancer(client))).get(`api/blue/${family}`)!;
        for (const client of ["c1", "t2"]) {
          const before = await taken(client);
          const answers = await peer(client).ask(vip("api"), PORT, { protocol: "udp", count: 9 });
          expect(names(answers)).toEqual(["t1", "t2", "t3"]);
          await vi.waitFor(
            async () => expect(less(await taken(client), before), client).toEqual(udpTaken(answers, family)),
            COUNTED,
          );
          const after = await taken(client);
          expect(await peer(client).ping(vip("api"))).toBe(true);
          expect(await taken(client), `${client}, ping`).toEqual(after);
        }
        // After those that are counted exactly: a connection's last packets may come when the next client has begun.
        for (const client of ["c1", "t2"]) {
          const before = await taken(client);
          const answer = await peer(client).push(vip("api"), PORT, 1_000_000);
          await vi.waitFor(async () => {
            const { connections, packets, bytes } = less(await taken(client), before);
            expect(connections).toBe(1);
            const text = 1_000_001 + answer.length + 1;
            const headers = packets * (family === 4 ? 40 : 60); // those of IP and TCP, without options
            expect(bytes).toBeGreaterThanOrEqual(text + headers);
            // Options take 40 octets at most. On a busy machine something is sent twice.
            expect(bytes).toBeLessThanOrEqual(1.05 * text + headers + 40 * packets);
          }, COUNTED);
        }
      });

      test("affinity: a client stays with its task, also when there are more, until it leaves", async () => {
        await web({ balance: { affinity: 600 } });
        const [task, ...others] = names(await peer("c1").ask(vip(), PORT, { count: 20, together: 1 }));
        expect(others).toEqual([]);
        swarm.task("t4", "web");
        await swarm.settle();
        expect(names(await peer("c1").ask(vip(), PORT, { count: 20 }))).toEqual([task]);
        swarm.task(task as "t1", "web", { state: "draining" });
        await swarm.settle();
        const [next, ...more] = names(await peer("c1").ask(vip(), PORT, { count: 20, together: 1 }));
        expect(more).toEqual([]);
        expect(next).not.toBe(task);
      });

      test("scaled up and down under load, not one connection fails", async () => {
        await web();
        const client = peer("c1");
        await client.load(vip(), PORT);
        const some = async () => {
          const before = await client.loaded();
          await until(async () => (await client.loaded()) > before + 200, "200 more connections");
        };
        await some();
        for (const task of ["t4", "t5"] as const) swarm.task(task, "web");
        await swarm.settle();
        await some();
        for (const task of ["t1", "t4"] as const) {
          swarm.task(task, "web", { state: "draining" });
          await swarm.settle();
          await some();
          await until(async () => (await connections("c1", task, family)) === 0, `${task} is idle`);
          swarm.removeTask(task);
          await swarm.settle();
          await some();
        }
        expect((await client.rest()).bad).toEqual([]);
        expect(names(await client.ask(vip(), PORT, { count: 30 }))).toEqual(["t2", "t3", "t5"]);
      });

      test("a task that drains: what is open goes on, nothing is new", async () => {
        await web();
        const client = peer("c1");
        const holders = await Promise.all(["a", "b", "c"].map((key) => client.hold(key, vip(), PORT)));
        const key = ["a", "b", "c"][holders.findIndex((answer) => answer.startsWith("t3 "))]!;
        expect(await connections("c1", "t3", family)).toBe(1);
        swarm.task("t3", "web", { state: "draining" });
        await swarm.settle();
        expect(await client.line(key)).toMatch(/^t3 /);
        expect(names(await client.ask(vip(), PORT, { count: 60 }))).toEqual(["t1", "t2"]);
        expect(await connections("c1", "t3", family)).toBe(1);
        for (const name of ["a", "b", "c"]) await client.drop(name);
        await until(async () => (await connections("c1", "t3", family)) === 0, "no connection to t3");
      });

      test("the last task drains: what is open goes on, what is new is refused", async () => {
        swarm.service("web");
        swarm.task("t1", "web");
        await swarm.settle();
        const client = peer("c1");
        await client.hold("last", vip(), PORT);
        swarm.task("t1", "web", { state: "draining" });
        await swarm.settle();
        expect(await client.line("last")).toMatch(/^t1 /);
        expect(await client.ask(vip(), PORT)).toEqual(["error ECONNREFUSED"]);
        await client.drop("last");
      });

      test("a task that is removed: its connections end, datagrams go to another", async () => {
        await web();
        const client = peer("c1");
        const tcp = await Promise.all(["a", "b", "c"].map((key) => client.hold(key, vip(), PORT)));
        const udp = await client.hold("udp", vip(), PORT, "udp");
        const gone = udp.split(" ")[0] as "t1";
        const key = ["a", "b", "c"][tcp.findIndex((answer) => answer.startsWith(`${gone} `))]!;
        swarm.removeTask(gone);
        await swarm.settle();
        expect(await client.line(key)).toMatch(/^error (ECONNRESET|EPIPE)/);
        const next = await client.line("udp");
        expect(next).toMatch(/^t[123] /);
        expect(next).not.toBe(udp);
        for (const name of ["a", "b", "c", "udp"]) await client.drop(name);
      });

      test("datagrams to a VIP that is none yet: the same flow gets a task once it is", async () => {
        swarm.service("api"); // so that connections are tracked already
        await swarm.settle();
        const client = peer("c1");
        expect(await client.hold("early", vip(), PORT, "udp", 300)).toMatch(/^error /);
        await web();
        expect(await client.line("early")).toMatch(/^(t[123] |error (EHOSTUNREACH|ECONNREFUSED))/);
        await until(async () => /^t[123] /.test(await client.line("early")), "an answer");
        await client.drop("early");
      });

      test("a connection that was silent for too long ends with a reset, or goes on: it never hangs", async () => {
        const client = peer("c1");
        const open = async () => {
          let count = 0;
          for (const task of ["t1", "t2", "t3"] as const) count += await connections("c1", task, family);
          return count;
        };
        try {
          swarm.idle = { tcp: 2, udp: 2 };
          await web();
          await client.hold("silent", vip(), PORT);
          expect(await open()).toBe(1);
          await until(async () => (await open()) === 0, "the kernel has forgotten it");
          expect(await client.line("silent")).toMatch(/^(t[123] |error (ECONNRESET|EPIPE))/);
        } finally {
          await client.drop("silent");
          swarm.idle = { tcp: 86_400, udp: 300 };
          await swarm.settle();
          swarm.idle = undefined;
        }
      });

      test("a VIP without tasks refuses at once", async () => {
        swarm.service("web");
        await swarm.settle();
        for (const protocol of ["tcp", "udp"] as const) {
          const started = performance.now();
          expect(await peer("c1").ask(vip(), PORT, { protocol }), protocol).toEqual(["error ECONNREFUSED"]);
          expect(performance.now() - started).toBeLessThan(1000 * PATIENCE);
        }
        swarm.task("t1", "web");
        await swarm.settle();
        expect(names(await peer("c1").ask(vip(), PORT, { count: 3 }))).toEqual(["t1"]);
      });

      test("declared ports only: others are refused at once, and what was open there goes on", async () => {
        await web();
        const client = peer("c1");
        await client.hold("open", vip(), PORT);
        const declared = (target: number) =>
          web({
            vipPorts: "declared",
            ports: (["tcp", "udp"] as const).map((protocol) => ({ protocol, target, mode: "ingress" })),
          });
        await declared(PORT + 1);
        for (const name of ["c1", "t1"])
          for (const protocol of ["tcp", "udp"] as const) {
            const started = performance.now();
            const answers = await peer(name).ask(vip(), PORT, { protocol });
            expect(answers, `${name} ${protocol}`).toEqual(["error ECONNREFUSED"]);
            expect(performance.now() - started).toBeLessThan(1000 * PATIENCE);
          }
        expect(await client.line("open")).toMatch(/^t[123] /);
        expect(await client.ping(vip())).toBe(true);
        await declared(PORT);
        for (const protocol of ["tcp", "udp"] as const)
          expect(names(await client.ask(vip(), PORT, { protocol, count: 12 }))).toEqual(["t1", "t2", "t3"]);
        expect(names(await peer("t2").ask(vip(), PORT, { count: 12 }))).toEqual(["t1", "t2", "t3"]);
        // Also after many that were passed on: what a kernel may say of errors is limited, and redirects count.
        for (const protocol of ["tcp", "udp"] as const)
          expect(await client.ask(vip(), PORT + 1, { protocol }), protocol).toEqual(["error ECONNREFUSED"]);
        expect(await client.line("open")).toMatch(/^t[123] /);
        await client.drop("open");
      });

      test("a VIP answers ping, with tasks or without", async () => {
        swarm.service("web");
        await swarm.settle();
        expect(await peer("c1").ping(vip())).toBe(true);
        swarm.task("t1", "web");
        await swarm.settle();
        expect(await peer("c1").ping(vip())).toBe(true);
      });
    });

    test("the same once more changes nothing", async () => {
      await web({ balance: { affinity: 60 } });
      const target = balancer("c1");
      const before = await dump(target.netns!);
      expect(await swarm.settle()).toEqual({});
      const desired = swarm.plan(target);
      await backend.apply(target, diff({ ...desired, servers: [], addresses: [] }, desired), desired);
      expect(await dump(target.netns!)).toBe(before);
    });

    test("what somebody flushed comes back, and connections with it", async () => {
      await web();
      const target = balancer("c1");
      const before = await dump(target.netns!);
      await flush(target.netns!);
      expect(Object.keys(await swarm.settle())).toEqual([target.id]);
      expect(names(await peer("c1").ask(vipOf("web", "blue", families[0]!), PORT, { count: 12 }))).toEqual([
        "t1",
        "t2",
        "t3",
      ]);
      expect(sorted(await dump(target.netns!))).toBe(sorted(before));
    });
  });
}

/** IPVS adds up what its processors have counted every two seconds. */
export const COUNTED = { timeout: 10_000 * PATIENCE, interval: 50 };

/** What has come since. */
export const less = (now: Taken, before: Taken): Taken => ({
  connections: now.connections - before.connections,
  packets: now.packets - before.packets,
  bytes: now.bytes - before.bytes,
});

/** What questions by UDP (two octets) and these answers carry. */
export const udpTaken = (answers: readonly string[], family: Family): Taken => ({
  connections: answers.length,
  packets: 2 * answers.length,
  bytes: answers.reduce((sum, answer) => sum + 2 + answer.length + 2 * (8 + (family === 4 ? 20 : 40)), 0),
});

/** The tasks that answered, each once. */
export const names = (answers: readonly string[]): string[] =>
  [...new Set(answers.map((answer) => (answer.startsWith("error") ? answer : answer.split(" ")[0]!)))].sort();

/** "t1 10.0.1.2: 100, …" */
export function tally(answers: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const answer of answers) counts.set(answer, (counts.get(answer) ?? 0) + 1);
  return [...counts].map(([answer, count]) => `${answer}: ${count}`).join(", ");
}

const sorted = (text: string): string => text.split("\n").sort().join("\n");
