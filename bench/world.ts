/** A small world for benchmarks: one network, containers by name. */
import type { Change } from "../src/model/types.ts";

export const world = (containers: readonly string[]): Change[] => [
  {
    kind: "network.put",
    network: {
      id: "n",
      name: "n",
      driver: "overlay",
      ingress: false,
      defaultBridge: false,
      internal: false,
      subnets: [{ cidr: "10.0.0.0/16" }],
    },
  },
  ...containers.map((name) => container(name)),
];

export const container = (name: string, state: "running" | "stopped" = "running"): Change => ({
  kind: "container.put",
  container: { id: name, name, state, endpoints: [{ network: "n", aliases: [], links: [], priority: 0 }], labels: {} },
});
