/** From a change of the registry to names and kernel, the whole node: registry, plan, diff, nftables, names. Root and nft. */
import { execFileSync } from "node:child_process";
import { createNode, type ElevenNode } from "../src/daemon.ts";
import type { Change } from "../src/model/types.ts";
import { report } from "./measure.ts";

export async function run(): Promise<void> {
  if (process.getuid?.() !== 0) return console.log("balance: skipped, it needs root");
  for (const services of [1_000, 10_000]) await oneSandbox(services);
  await manySandboxes(100, 100);
}

async function oneSandbox(services: number): Promise<void> {
  await withNode(1, services, async (node, load) => {
    report(`balance: ${services} services, all in names and kernel`, load / 1_000, "s");
    const times: number[] = [];
    for (let i = 0; i < 100; i++) {
      const service = (i * 7919) % services;
      const started = performance.now();
      node.apply([task(service, 10 + i)]);
      await node.applied();
      times.push(performance.now() - started);
    }
    times.sort((a, b) => a - b);
    report(`balance: ${services} services, change to kernel and names, p50`, times[50]!, "ms");
    report(`balance: ${services} services, change to kernel and names, p99`, times[98]!, "ms");
  });
}

async function manySandboxes(sandboxes: number, services: number): Promise<void> {
  await withNode(sandboxes, services, async (node) => {
    const times: number[] = [];
    for (let i = 0; i < 5; i++) {
      const started = performance.now();
      node.apply([task(0, 10 + i)]);
      await node.applied();
      times.push(performance.now() - started);
    }
    times.sort((a, b) => a - b);
    report(`balance: ${sandboxes} sandboxes x ${services} services, one scaled`, times[2]! / 1_000, "s", 1);
    const not = node.balance.filter((t) => t.state !== "equal");
    if (not.length > 0) throw new Error(`${not.length} are not equal: ${JSON.stringify(not[0])}`);
  });
}

/** `work` gets the milliseconds until everything was in names and kernel. */
async function withNode(
  sandboxes: number,
  services: number,
  work: (node: ElevenNode, load: number) => Promise<void>,
): Promise<void> {
  const names = Array.from({ length: sandboxes }, (_, i) => `e11l-${process.pid}-${i}`);
  const ip = (verb: string) =>
    execFileSync("ip", ["-force", "-batch", "-"], { input: names.map((n) => `netns ${verb} ${n}\n`).join("") });
  ip("add");
  const node = createNode({ workers: 0, balance: { backend: "nftables" } });
  try {
    node.apply([network, client]);
    const started = performance.now();
    node.apply(Array.from({ length: services }, (_, s) => [service(s), task(s, 1), task(s, 2), task(s, 3)]).flat());
    node.apply(names.map(sandbox));
    await node.ready();
    if (node.problems.size > 0) throw [...node.problems.values()][0];
    await work(node, performance.now() - started);
  } finally {
    await node.close();
    ip("del");
  }
}

const network: Change = {
  kind: "network.put",
  network: {
    id: "n",
    name: "n",
    driver: "overlay",
    ingress: false,
    defaultBridge: false,
    internal: false,
    subnets: [{ cidr: "10.0.0.0/8" }],
  },
};

const client: Change = {
  kind: "container.put",
  container: {
    id: "client",
    name: "client",
    state: "running",
    endpoints: [{ network: "n", aliases: [], links: [], priority: 0 }],
    labels: {},
  },
};

const service = (s: number): Change => ({
  kind: "service.put",
  service: {
    id: `s${s}`,
    name: `s${s}`,
    mode: "vip",
    publish: "healthy",
    networks: [{ network: "n", aliases: [] }],
    ports: [],
    labels: {},
  },
});

const task = (s: number, slot: number): Change => ({
  kind: "task.put",
  task: {
    id: `s${s}t${slot}`,
    service: `s${s}`,
    slot,
    node: "node-1",
    state: "running",
    health: "none",
    endpoints: [{ network: "n", aliases: [], links: [], priority: 0 }],
    labels: {},
  },
});

const sandbox = (name: string): Change => ({
  kind: "sandbox.put",
  sandbox: {
    id: name,
    member: { kind: "container", id: "client" },
    listen: [{ address: "127.0.0.11", port: 53 }],
    upstreams: [],
    netns: `/run/netns/${name}`,
  },
});
