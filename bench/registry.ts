/** 10 000 services with 100 000 tasks: time to load, memory, and how soon one change is answered. */

import { nameKey } from "../src/model/name.ts";
import type { Change } from "../src/model/types.ts";
import { Registry } from "../src/registry/registry.ts";
import { Compiler } from "../src/scoping/compile.ts";
import { Tables } from "../src/scoping/tables.ts";
import { report } from "./measure.ts";
import { container, network, service, task } from "./world.ts";

const SERVICES = 10_000;
const TASKS = 10;

export function run(): void {
  const before = heap();
  const registry = new Registry();
  const compiler = new Compiler();
  const tables = new Tables();
  registry.on("change", ({ touched }) => tables.apply(compiler.compile(registry.state, touched)));

  let started = performance.now();
  registry.apply(everything());
  report(
    `registry: load ${SERVICES} services with ${SERVICES * TASKS} tasks`,
    (performance.now() - started) / 1000,
    "s",
    3,
  );
  const bytes = heap() - before;
  report("registry: memory, tables included", bytes / 1e6, "MB", 300);
  report("registry: memory per task, its share of all", bytes / (SERVICES * TASKS), "octets");

  const times: number[] = [];
  for (let i = 0; i < 5_000; i++) {
    const old = registry.state.tasks.get(taskId(i, 3))!;
    started = performance.now();
    registry.apply([{ kind: "task.put", task: { ...old, state: "draining" } }]);
    const left = tables.scope("s")?.lookup(nameKey(`tasks.s${i}`), 1).count;
    times.push(performance.now() - started);
    if (left !== TASKS - 1) throw new Error(`tasks.s${i} has ${left} addresses`);
  }
  times.sort((a, b) => a - b);
  report("registry: one change to its answer, median", times[times.length >> 1]! * 1000, "us", 1000);
  report("registry: one change to its answer, p99", times[Math.floor(times.length * 0.99)]! * 1000, "us", 1000);
  started = performance.now();
  for (let i = 0; i < 20_000; i++) {
    const old = registry.state.tasks.get(taskId(i % SERVICES, 1 + (i & 1)))!;
    registry.apply([{ kind: "task.put", task: { ...old, health: i < SERVICES ? "unhealthy" : "healthy" } }]);
  }
  report("registry: changes", 20_000 / ((performance.now() - started) / 1000), "per second");
}

const taskId = (service: number, task: number): string => `s${service}t${task}`.padEnd(25, "z");

const everything = (): Change[] => [
  network("10.0.0.0/8"),
  container("c"),
  { kind: "sandbox.put", sandbox: { id: "s", member: { kind: "container", id: "c" }, listen: [] } },
  ...Array.from({ length: SERVICES }, (_, s) => [
    service(s),
    ...Array.from({ length: TASKS }, (_, t) => task(s, t + 1, taskId(s, t))),
  ]).flat(),
];

/** Octets of live heap. `npm run bench` starts node with --expose-gc. */
function heap(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}
