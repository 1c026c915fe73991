/** Patches, what is left out where it depends on what exists, and whose data the state is. */
import { describe, expect, test } from "vitest";
import type { ChangeInput } from "../../src/model/input.ts";
import type { ReadonlyState } from "../../src/model/types.ts";
import { Registry } from "../../src/registry/registry.ts";

const WORLD: readonly ChangeInput[] = [
  { kind: "network.put", network: { name: "n", ttl: { stable: 9 }, upstreams: [{ address: "192.0.2.1" }] } },
  { kind: "network.put", network: { name: "m" } },
  {
    kind: "service.put",
    service: { name: "web", networks: [{ network: "n" }], labels: { a: "b" }, ttl: { stable: 1 } },
  },
  { kind: "task.put", task: { service: "web", slot: 1, hostname: "h" } },
  { kind: "container.put", container: { name: "c", endpoints: [{ network: "n", aliases: ["x"] }] } },
  { kind: "sandbox.put", sandbox: { member: { kind: "container", id: "c" }, ndots: 0 } },
];

function world(): Registry {
  const registry = new Registry();
  registry.apply(WORLD);
  return registry;
}

type Kind = "network" | "service" | "task" | "container" | "sandbox";
const mapOf = (state: ReadonlyState, kind: Kind): ReadonlyMap<string, object> =>
  ({
    network: state.networks,
    service: state.services,
    task: state.tasks,
    container: state.containers,
    sandbox: state.sandboxes,
  })[kind];

describe("a patch changes what it names", () => {
  test.each<[string, ChangeInput, object]>([
    ["a task's health", { kind: "task.patch", id: "web.1", patch: { health: "unhealthy" } }, { health: "unhealthy" }],
    [
      "two fields",
      { kind: "task.patch", id: "web.1", patch: { state: "draining", weight: 5 } },
      { state: "draining", weight: 5 },
    ],
    [
      "undefined is left out",
      { kind: "task.patch", id: "web.1", patch: { hostname: undefined, slot: 2 } },
      { slot: 2 },
    ],
    [
      "null: there is none by default",
      { kind: "task.patch", id: "web.1", patch: { hostname: null } },
      { hostname: undefined },
    ],
    ["null: to the default", { kind: "container.patch", id: "c", patch: { state: null, labels: null } }, {}],
    ["labels as a whole", { kind: "service.patch", id: "web", patch: { labels: { c: "d" } } }, { labels: { c: "d" } }],
    ["a TTL as a whole", { kind: "network.patch", id: "n", patch: { ttl: { dynamic: 2 } } }, { ttl: { dynamic: 2 } }],
    [
      "the mode, and its VIP goes",
      { kind: "service.patch", id: "web", patch: { mode: "dnsrr" } },
      { mode: "dnsrr", networks: [{ network: "n", aliases: [] }] },
    ],
    ["a name", { kind: "service.patch", id: "web", patch: { name: "www" } }, { name: "www" }],
    [
      "an endpoint, its address left out: it stays",
      { kind: "container.patch", id: "c", patch: { endpoints: [{ network: "n" }] } },
      { endpoints: [{ network: "n", ip4: "10.0.0.4", aliases: [], links: [], priority: 0 }] },
    ],
    [
      "an address",
      { kind: "container.patch", id: "c", patch: { endpoints: [{ network: "n", ip4: "10.0.0.99" }] } },
      { endpoints: [{ network: "n", ip4: "10.0.0.99", aliases: [], links: [], priority: 0 }] },
    ],
    [
      "a sandbox's upstreams",
      { kind: "sandbox.patch", id: "c", patch: { upstreams: [{ address: "::1" }], ndots: null } },
      { upstreams: [{ address: "::1", port: 53 }], ndots: undefined },
    ],
  ])("%s", (_, change, expected) => {
    const registry = world();
    const kind = change.kind.split(".")[0] as Kind;
    const { id } = change as { readonly id: string };
    const before = mapOf(registry.state, kind).get(id)!;
    const done: unknown[] = [];
    registry.on("change", (applied) => done.push(...applied.changes));
    registry.apply([change]);
    const after = mapOf(registry.state, kind).get(id);
    expect(after).toEqual({ ...before, ...expected });
    // Who listens, a store for one, is told of objects, never of patches; and nothing is told where nothing changed.
    expect(done).toEqual(after === before ? [] : [{ kind: `${kind}.put`, [kind]: after }]);
  });

  test("in one batch with the put before it, and one after the other", () => {
    const registry = world();
    registry.apply([
      { kind: "task.put", task: { service: "web", slot: 2 } },
      { kind: "task.patch", id: "web.2", patch: { health: "starting" } },
      { kind: "task.patch", id: "web.2", patch: { labels: { a: "b" } } },
    ]);
    expect(registry.state.tasks.get("web.2")).toMatchObject({ slot: 2, health: "starting", labels: { a: "b" } });
    expect(registry.revision).toBe(2);
  });

  test("what it asks for by name is given to nobody else in the batch", () => {
    const registry = world();
    registry.apply([
      { kind: "container.put", container: { name: "d", endpoints: [{ network: "n" }] } },
      { kind: "container.patch", id: "c", patch: { endpoints: [{ network: "n", ip4: "10.0.0.5" }] } },
    ]);
    expect(registry.state.containers.get("d")?.endpoints[0]?.ip4).toBe("10.0.0.6");
  });

  test.each<[string, ChangeInput, object]>([
    [
      "nobody",
      { kind: "task.patch", id: "web.7", patch: {} },
      { code: "unknown", path: undefined, message: 'task.patch: there is no task "web.7"; put it first' },
    ],
    ["another kind", { kind: "task.patch", id: "c", patch: {} }, { code: "unknown" }],
    [
      "to a network that is not there",
      { kind: "container.patch", id: "c", patch: { endpoints: [{ network: "x" }] } },
      { code: "unknown", path: "patch.endpoints[0].network" },
    ],
    [
      "to a member that is not there",
      { kind: "sandbox.patch", id: "c", patch: { member: { kind: "task", id: "x" } } },
      { code: "unknown", path: "patch.member.id" },
    ],
    [
      "what it has in use",
      { kind: "network.patch", id: "n", patch: { subnets: [{ cidr: "10.9.0.0/24" }] } },
      { code: "in-use", path: "patch.subnets" },
    ],
  ])("refused: %s", (_, change, error) => {
    const registry = world();
    expect(() => registry.apply([{ kind: "network.put", network: { name: "l" } }, change])).toThrow(
      expect.objectContaining({ name: "RegistryError", op: change.kind, index: 1, ...error }),
    );
    expect([registry.revision, registry.state.networks.has("l")]).toEqual([1, false]);
  });
});

describe("errors say where", () => {
  const C = (more: object) => ({ kind: "container.put", container: { name: "new", ...more } });
  const on = (...endpoints: object[]) => C({ endpoints });
  const S = (more: object) => ({ kind: "service.put", service: { name: "new", ...more } });
  const N = (more: object) => ({ kind: "network.put", network: { name: "new", ...more } });
  const sandbox = (more: object) => ({
    kind: "sandbox.put",
    sandbox: { member: { kind: "container", id: "c" }, id: "b", ...more },
  });

  test.each<[string, unknown, string, string | undefined]>([
    ["nothing of the kind", { kind: "nothing" }, "invalid", "kind"],
    ["null", null, "invalid", undefined],
    ["state", C({ state: "up" }), "invalid", "container.state"],
    ["name", C({ name: "a b" }), "invalid", "container.name"],
    ["name that is taken", C({ name: "C", id: "other" }), "conflict", "container.name"],
    ["hostname", C({ hostname: "" }), "invalid", "container.hostname"],
    ["no such network", on({ network: "n" }, { network: "constructor" }), "unknown", "container.endpoints[1].network"],
    ["twice there", on({ network: "n" }, { network: "n" }), "invalid", "container.endpoints[1].network"],
    ["address", on({ network: "n", ip4: "10.0.0.0" }), "invalid", "container.endpoints[0].ip4"],
    ["of the other family", on({ network: "n", ip6: "10.0.0.9" }), "invalid", "container.endpoints[0].ip6"],
    ["address that is taken", on({ network: "n", ip4: "10.0.0.4" }), "conflict", "container.endpoints[0].ip4"],
    ["alias", on({ network: "n", aliases: ["a", ""] }), "invalid", "container.endpoints[0].aliases[1]"],
    [
      "link",
      on({ network: "n", links: [{ target: "a", alias: "" }] }),
      "invalid",
      "container.endpoints[0].links[0].alias",
    ],
    ["task of no service", { kind: "task.put", task: { service: "__proto__" } }, "unknown", "task.service"],
    [
      "task elsewhere",
      { kind: "task.put", task: { service: "web", endpoints: [{ network: "m" }] } },
      "invalid",
      "task.endpoints[0].network",
    ],
    ["service's name", S({ name: "a.b" }), "invalid", "service.name"],
    ["service's network", S({ networks: [{ network: "x" }] }), "unknown", "service.networks[0].network"],
    ["service's VIP", S({ networks: [{ network: "n", vip4: "10.0.0.4" }] }), "conflict", "service.networks[0].vip4"],
    [
      "service's alias",
      S({ networks: [{ network: "n", aliases: ["\n"] }] }),
      "invalid",
      "service.networks[0].aliases[0]",
    ],
    [
      "service's port",
      S({ mode: "dnsrr", ports: [{ target: 1 }, { target: 1, published: 1 }] }),
      "invalid",
      "service.ports[1].mode",
    ],
    ["service leaves its tasks", { kind: "service.put", service: { name: "web" } }, "in-use", "service.networks"],
    ["subnet", N({ subnets: [{ cidr: "10.0.0.1/24" }] }), "invalid", "network.subnets[0].cidr"],
    ["subnet that is taken", N({ subnets: [{ cidr: "10.0.0.0/25" }] }), "conflict", "network.subnets[0].cidr"],
    ["gateway", N({ subnets: [{ cidr: "10.7.0.0/24", gateway: "x" }] }), "invalid", "network.subnets[0].gateway"],
    ["upstream", N({ upstreams: [{ address: "::1" }, { address: "x" }] }), "invalid", "network.upstreams[1].address"],
    ["listening nowhere", sandbox({ listen: [{ address: "x" }] }), "invalid", "sandbox.listen[0].address"],
    ["source", sandbox({ listen: [{ address: "::1", source: ["x"] }] }), "invalid", "sandbox.listen[0].source[0]"],
    ["redirect without a namespace", sandbox({ bind: "redirect" }), "invalid", "sandbox.bind"],
    ["nobody's", sandbox({ member: { kind: "container", id: "toString" } }), "unknown", "sandbox.member.id"],
    ["the last of a network", { kind: "network.remove", id: "n" }, "in-use", undefined],
  ])("%s", (_, change, code, path) => {
    const registry = world();
    const before = JSON.stringify([
      ...registry.state.containers,
      ...registry.state.networks,
      ...registry.state.services,
    ]);
    const fine: ChangeInput = { kind: "container.put", container: { name: "fine", endpoints: [{ network: "n" }] } };
    expect(() => registry.apply([fine, change as ChangeInput])).toThrow(
      expect.objectContaining({ name: "RegistryError", code, path, index: 1 }),
    );
    expect(JSON.stringify([...registry.state.containers, ...registry.state.networks, ...registry.state.services])).toBe(
      before,
    );
  });

  test.each([undefined, null, {}, "x", { kind: "network.put", network: { name: "n" } }])("no list: %j", (changes) => {
    expect(() => new Registry().apply(changes as never)).toThrow(
      expect.objectContaining({ code: "invalid", index: undefined, message: "changes must be a list of changes" }),
    );
  });

  test("a hole in the list", () => {
    expect(() => new Registry().apply(new Array(1))).toThrow(expect.objectContaining({ code: "invalid", index: 0 }));
  });
});

describe("what is left out where it depends on what exists", () => {
  test("a task is on its service's networks", () => {
    const { state } = world();
    expect(state.tasks.get("web.1")?.endpoints.map((e) => [e.network, e.ip4])).toEqual([["n", "10.0.0.3"]]);
  });

  test("endpoints of null go back to that", () => {
    const registry = world();
    registry.apply([{ kind: "service.patch", id: "web", patch: { networks: [{ network: "n" }, { network: "m" }] } }]);
    registry.apply([{ kind: "task.patch", id: "web.1", patch: { endpoints: null } }]);
    expect(registry.state.tasks.get("web.1")?.endpoints.map((e) => e.network)).toEqual(["n", "m"]);
  });

  test("full and short forms are the same", () => {
    const [a, b] = [world(), new Registry()];
    b.apply(everything(a.state));
    expect([...b.state.tasks, ...b.state.services, ...b.state.sandboxes]).toEqual([
      ...a.state.tasks,
      ...a.state.services,
      ...a.state.sandboxes,
    ]);
    expect(a.apply(everything(a.state))).toBe(1);
  });
});

/** Names that every object has, as ids, names, aliases, hostnames, labels, nodes. */
test.each(["constructor", "__proto__", "toString", "hasOwnProperty"])("%s is a name like any other", (name) => {
  const registry = new Registry();
  const labels = Object.fromEntries([[name, name]]);
  const all: ChangeInput[] = [
    { kind: "network.put", network: { name } },
    { kind: "service.put", service: { id: name, name: "web", networks: [{ network: name, aliases: [name] }], labels } },
    { kind: "task.put", task: { id: name, service: name, node: name, hostname: name } },
    {
      kind: "container.put",
      container: { name, hostname: name, labels, endpoints: [{ network: name, aliases: [name] }] },
    },
    { kind: "sandbox.put", sandbox: { member: { kind: "container", id: name } } },
  ];
  expect(registry.apply(all)).toBe(1);
  expect(registry.apply(all)).toBe(1);
  expect([...registry.state.tasksOf]).toEqual([[name, new Set([name])]]);
  expect(Object.entries(registry.state.containers.get(name)?.labels ?? {})).toEqual([[name, name]]);
  expect(registry.apply([{ kind: "task.patch", id: name, patch: { labels } }])).toBe(2);
  for (const kind of ["sandbox", "container", "task", "service", "network"] as const)
    registry.apply([{ kind: `${kind}.remove`, id: name }]);
  expect(registry.state.networks.size + registry.state.tasksOf.size + registry.state.containers.size).toBe(0);
  expect(registry.apply([{ kind: "network.remove", id: name }])).toBe(registry.revision);
});

test("nothing that was given is kept: who changes it afterwards changes nothing of ours", () => {
  const registry = new Registry();
  const given = structuredClone(WORLD) as ChangeInput[];
  registry.apply(given);
  const before = JSON.stringify(everything(registry.state));
  spoil(given);
  const patch = { labels: { a: "1" }, endpoints: [{ network: "n", aliases: ["y"] }] };
  expect(JSON.stringify(everything(registry.state))).toBe(before);
  registry.apply([{ kind: "container.patch", id: "c", patch }]);
  const after = JSON.stringify(everything(registry.state));
  spoil(patch);
  expect(JSON.stringify(everything(registry.state))).toBe(after);
});

/** Writes into everything that can be written into. */
function spoil(value: object): void {
  for (const [key, field] of Object.entries(value)) {
    if (typeof field === "object" && field !== null) spoil(field);
    else Object.assign(value, { [key]: "spoilt" });
  }
  if (Array.isArray(value)) value.push("spoilt");
  else Object.assign(value, { spoilt: true });
}

const everything = (s: ReadonlyState): ChangeInput[] => [
  ...[...s.networks.values()].map((network): ChangeInput => ({ kind: "network.put", network })),
  ...[...s.services.values()].map((service): ChangeInput => ({ kind: "service.put", service })),
  ...[...s.tasks.values()].map((task): ChangeInput => ({ kind: "task.put", task })),
  ...[...s.containers.values()].map((container): ChangeInput => ({ kind: "container.put", container })),
  ...[...s.sandboxes.values()].map((sandbox): ChangeInput => ({ kind: "sandbox.put", sandbox })),
];
