/** A published port whose traffic is led otherwise from now on: what is open goes on with the task that it has. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NftablesBackend } from "../../src/lb-programmer/backends/nftables/backend.ts";
import type { Port } from "../../src/model/types.ts";
import { privileged } from "./namespaces.ts";
import { Swarm } from "./swarm.ts";
import { HOST, makeWorld, PORT, type World } from "./world.ts";

const PUBLISHED = 8080;

describe.skipIf(!privileged())("nftables", () => {
  let world: World;
  const backend = new NftablesBackend();
  beforeAll(async () => {
    world = await makeWorld();
  });
  afterAll(async () => {
    backend.close();
    await world?.close();
  });

  test.each([
    [4, "local", "cluster"],
    [4, "cluster", "local"],
    [6, "local", "cluster"],
    [6, "cluster", "local"],
  ] as const)('IPv%i: from traffic "%s" to "%s"', async (family, from, to) => {
    const swarm = new Swarm(world, backend, "network");
    const lead = async (traffic: "local" | "cluster") => {
      const port: Port = { protocol: "tcp", mode: "ingress", target: PORT, published: PUBLISHED, traffic };
      swarm.service("web", { ports: [port] });
      for (const task of ["t1", "t2", "t3"] as const) swarm.task(task, "web");
      await swarm.settle();
    };
    const outside = world.peers["outside"]!;
    await lead(from);
    const before = await outside.hold("open", HOST[family], PUBLISHED);
    await lead(to);
    expect(await outside.line("open")).toBe(before);
    swarm.removeTask(before.split(" ")[0]!);
    await swarm.settle();
    expect(await outside.line("open")).toMatch(/^error /);
    await outside.drop("open");
    await swarm.reset();
  });
});
