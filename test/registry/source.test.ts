/** Where an object is written: kept and shown with it like any other field, and said by its put alone. */
import { describe, expect, test } from "vitest";
import type { ChangeInput } from "../../src/model/input.ts";
import { Registry } from "../../src/registry/registry.ts";
import { memoryStore } from "../../src/registry/stores/memory.ts";

const FILE = "/etc/eleven/eleven.yaml";

/** One of each kind, written there; by itself when nothing is said. */
const world = (source?: string): ChangeInput[] => {
  const from = source === undefined ? {} : { source };
  return [
    { kind: "network.put", network: { name: "n", subnets: [{ cidr: "10.0.1.0/24" }], ...from } },
    { kind: "service.put", service: { name: "web", networks: [{ network: "n" }], ...from } },
    { kind: "task.put", task: { service: "web", slot: 1, ...from } },
    { kind: "container.put", container: { name: "c", endpoints: [{ network: "n" }], ...from } },
    { kind: "sandbox.put", sandbox: { member: { kind: "container", id: "c" }, ...from } },
  ];
};

function sources({ state }: Registry): string {
  const { networks, services, tasks, containers, sandboxes } = state;
  return [networks, services, tasks, containers, sandboxes]
    .flatMap((objects) => [...objects].map(([id, object]) => `${id}=${object.source ?? ""}`))
    .join(" ");
}

const filled = (source?: string): Registry => {
  const registry = new Registry();
  registry.apply(world(source));
  return registry;
};

const ALL = `n=${FILE} web=${FILE} web.1=${FILE} c=${FILE} c=${FILE}`;
const NONE = "n= web= web.1= c= c=";

test.each<[string, (registry: Registry) => number, string, number]>([
  ["as it was put", (r) => r.revision, ALL, 1],
  ["put again: nothing changes", (r) => r.apply(world(FILE)), ALL, 1],
  ["put without one: it has none then", (r) => r.apply(world()), NONE, 2],
  ["from another file: a change", (r) => r.apply(world("-")), ALL.replaceAll(FILE, "-"), 2],
  [
    "patched: it stays",
    (r) => r.apply([{ kind: "task.patch", id: "web.1", patch: { health: "unhealthy", labels: null } }]),
    ALL,
    2,
  ],
])("%s", (_, change, expected, revision) => {
  const registry = filled(FILE);
  expect([change(registry), sources(registry)]).toEqual([revision, expected]);
});

test("addresses stay, whoever writes the object from now on", () => {
  const registry = filled();
  const before = registry.state.tasks.get("web.1")?.endpoints;
  registry.apply([...world(FILE)].reverse().filter(({ kind }) => kind !== "network.put"));
  expect(registry.state.tasks.get("web.1")?.endpoints).toEqual(before);
});

test("a task whose service comes to the mesh keeps it", () => {
  const registry = filled(FILE);
  registry.apply([
    { kind: "network.put", network: { name: "ingress", ingress: true } },
    { kind: "service.patch", id: "web", patch: { ports: [{ target: 80, published: 8080 }] } },
  ]);
  expect(registry.state.tasks.get("web.1")).toMatchObject({ source: FILE, endpoints: [{}, { network: "ingress" }] });
});

test("a store keeps it", async () => {
  const store = memoryStore();
  await store.open(new Registry());
  await store.write(world(FILE));
  await store.close();
  const registry = new Registry();
  await store.open(registry);
  expect(sources(registry)).toBe(ALL);
});

describe("refused", () => {
  const no = "source can't be changed: put the object, with the source that it has from now on";
  test.each<[string, unknown, string]>([
    ["an empty one", { kind: "network.put", network: { name: "n", source: "" } }, "network.source must not be empty"],
    [
      "no text",
      { kind: "task.put", task: { service: "web", slot: 1, source: 5 } },
      "task.source must be a string, not 5",
    ],
    ["patched", { kind: "network.patch", id: "n", patch: { source: "-" } }, `network.patch "n": patch.${no}`],
    ["patched away", { kind: "sandbox.patch", id: "c", patch: { source: null } }, `sandbox.patch "c": patch.${no}`],
  ])("%s", (_, change, message) => {
    expect(() => filled().apply([change as ChangeInput])).toThrow(message);
  });
});
