import { expect, test } from "vitest";
import type { Change } from "../../src/model/types.ts";
import { Registry } from "../../src/registry/registry.ts";

const SERVICES = 10_000;
const TASKS = 10;

test("10 000 services with 100 000 tasks load in seconds, and one change does not notice them", () => {
  const registry = new Registry();
  const changes = world();
  const begin = process.cpuUsage(); // the time that it takes, not the time that others on a busy machine take
  registry.apply(changes);
  const { user, system } = process.cpuUsage(begin);
  const load = (user + system) / 1_000;
  expect([registry.state.services.size, registry.state.tasks.size]).toEqual([SERVICES, SERVICES * TASKS]);

  const times: number[] = [];
  for (let i = 0; i < SERVICES; i++) {
    const before = registry.state.tasks.get(`s${i}.1`)!;
    const started = performance.now();
    registry.apply([{ kind: "task.put", task: { ...before, state: "draining" } }]);
    times.push(performance.now() - started);
  }
  const median = times.sort((a, b) => a - b)[SERVICES / 2]!;
  console.log(`registry: load ${load.toFixed(0)} ms, one change ${(median * 1000).toFixed(1)} us`);
  expect(load).toBeLessThan(10_000); // on any machine; `npm run bench` holds it against its bar
  expect(median).toBeLessThan(0.5);
});

function world(): Change[] {
  const changes: Change[] = [
    {
      kind: "network.put",
      network: {
        id: "n",
        name: "n",
        driver: "overlay",
        ingress: false,
        defaultBridge: false,
        internal: false,
        subnets: [{ cidr: "10.0.0.0/8" }, { cidr: "fd00::/64" }],
      },
    },
  ];
  for (let s = 0; s < SERVICES; s++) {
    const id = `s${s}`;
    changes.push({
      kind: "service.put",
      service: {
        id,
        name: id,
        mode: "vip",
        publish: "healthy",
        networks: [{ network: "n", aliases: [] }],
        ports: [],
        labels: {},
      },
    });
    for (let slot = 1; slot <= TASKS; slot++) {
      changes.push({
        kind: "task.put",
        task: {
          id: `${id}.${slot}`,
          service: id,
          slot,
          node: "x",
          state: "running",
          health: "none",
          endpoints: [{ network: "n", aliases: [], links: [], priority: 0 }],
          labels: {},
        },
      });
    }
  }
  return changes;
}
