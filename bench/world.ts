/** A small world for benchmarks: one network, containers by name. */
import type { Change } from "../src/model/types.ts";

export const world = (containers: readonly string[]): Change[] => [
  network("10.0.0.0/16"),
  ...containers.map((name) => container(name)),
];

export const network = (cidr: string): Change => ({
  kind: "network.put",
  network: {
    id: "n",
    name: "n",
    driver: "overlay",
    ingress: false,
    defaultBridge: false,
    internal: false,
    subnets: [{ cidr }],
  },
});

export const container = (name: string, state: "running" | "stopped" = "running"): Change => ({
  kind: "container.put",
  container: { id: name, name, state, endpoints: [{ network: "n", aliases: [], links: [], priority: 0 }], labels: {} },
});

/** Services with three tasks each, on the network of a client. */
export const services = (count: number): Change[] => [
  ...world(["client"]),
  ...Array.from({ length: count }, (_, s) => [service(s), task(s, 1), task(s, 2), task(s, 3)]).flat(),
];

export const service = (s: number): Change => ({
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

export const task = (s: number, slot: number, id = `s${s}t${slot}`): Change => ({
  kind: "task.put",
  task: {
    id,
    service: `s${s}`,
    slot,
    node: "node-1",
    state: "running",
    health: "none",
    endpoints: [{ network: "n", aliases: [], links: [], priority: 0 }],
    labels: {},
  },
});

/** A sandbox of the client in the namespace of that name. */
export const attached = (name: string): Change => ({
  kind: "sandbox.put",
  sandbox: {
    id: name,
    member: { kind: "container", id: "client" },
    listen: [{ address: "127.0.0.11", port: 53 }],
    upstreams: [],
    netns: `/run/netns/${name}`,
  },
});
