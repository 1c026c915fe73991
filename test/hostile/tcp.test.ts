/** A container against DNS over TCP: what it tries, and what must not happen to the process or to the container next to it. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Served, serve } from "../system/dig.ts";
import { eventually, withoutNamespaces } from "../system/namespaces.ts";
import { Containers } from "./container.ts";
import { crowd, DEAF, FLOODING, IDLE, pipeline, SLOW, UPSTREAM } from "./scripts.ts";

const REPLICAS = 1_000;

describe.skipIf(withoutNamespaces())("a container attacks over TCP", () => {
  const containers = new Containers();
  let served: Served;

  beforeAll(async () => {
    await containers.add("a", "b");
    await containers.ip("-n @a link set lo up");
    await containers.attacking("a", UPSTREAM);
    served = await serve(`
upstreams: []
balance: { backend: none }
networks: { n: { subnet: 10.66.0.0/16 } }
services: { web: { networks: [n], replicas: ${REPLICAS} } }
containers: { one: { networks: [n] } }
sandboxes:
  a: { container: one, netns: ${containers.path("a")}, upstreams: ["127.0.0.1:5353"] }
  b: { container: one, netns: ${containers.path("b")} }
`);
  });
  afterAll(async () => {
    await served?.stop();
    containers.clean();
  });

  /** B asks over TCP, one question after the other, each on a connection of its own. */
  const neighbourIsAnswered = async () => {
    for (let i = 0; i < 10; i++)
      expect(await containers.exec("b", "dig", "@127.0.0.11", "+tcp", "+tries=1", "+time=2", "+short", "one")).toMatch(
        /^10\.66\./,
      );
  };

  test.each([
    ["that the cache has", "a"],
    ["that nobody can be asked", "b"],
  ])(
    "a question %s, once, then 1 000 times in one write | the process goes on, each is answered once",
    async (_, from) => {
      for (let i = 0; i < 2; i++) expect(containers.attack(from, pipeline("cached.example A", 1))).toBe("1\n");
      expect(containers.attack(from, pipeline("cached.example A", 1_000))).toBe("1000\n");
      await neighbourIsAnswered();
    },
  );

  test.each([
    ["are idle", crowd(500, IDLE)],
    ["drip an octet now and then", crowd(500, SLOW)],
    ["ask without end", crowd(500, FLOODING)],
    ["ask for 16 kB without end and read nothing", crowd(500, DEAF, "tasks.web A")],
  ])(
    "500 connections that %s | the container next to it is answered over TCP, memory stays bounded",
    async (_, script) => {
      const before = resident(served.pid);
      const attack = await containers.attacking("a", script);
      await neighbourIsAnswered();
      expect(resident(served.pid) - before).toBeLessThan(200);
      attack.end();
    },
  );

  test("600 connections with 60 descriptors left, then with none | those who were idle longest go; who comes waits, and nothing spins", async () => {
    const limit = (n: string) => spawnSync("prlimit", ["--pid", String(served.pid), `--nofile=${n}`]);
    const { stdout } = spawnSync("prlimit", [
      "--pid",
      String(served.pid),
      "--nofile",
      "--noheadings",
      "-o",
      "SOFT,HARD",
    ]);
    const was = String(stdout).trim().split(/\s+/).join(":");
    limit(`${lowestFree(served.pid) + 60}:`);
    const attack = await containers.attacking("a", `echo; ${crowd(600, IDLE)}`);
    await neighbourIsAnswered();
    attack.end();
    await eventually(
      () => served.descriptors(),
      (n) => n < 100,
    );
    limit("3:"); // a number below the limit that becomes free later would do for one more connection
    const ticks = processorTicks(served.pid);
    const waiting = containers.exec("b", "dig", "@127.0.0.11", "+tcp", "+tries=1", "+time=5", "+short", "one");
    await eventually(
      () => served.errors(),
      (e) => /connections over TCP have to wait: accept: EMFILE/.test(e),
    );
    limit(was);
    expect(await waiting).toMatch(/^10\.66\./);
    expect(processorTicks(served.pid) - ticks).toBeLessThan(100); // a second
    expect(served.errors()).not.toMatch(/died|uncaught/i);
  });
});

/** The number that the next descriptor gets: a limit is one on numbers. */
function lowestFree(pid: number): number {
  const taken = new Set(readdirSync(`/proc/${pid}/fd`).map(Number));
  let free = 0;
  while (taken.has(free)) free++;
  return free;
}

/** MiB. */
const resident = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;

function processorTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return Number(fields[11]) + Number(fields[12]);
}
