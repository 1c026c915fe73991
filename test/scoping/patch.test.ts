/** What crosses to the data plane: of a change, what it touches and no more; of everything, all there is. */
import { describe, expect, test } from "vitest";
import { keyName } from "../../src/model/name.ts";
import type { Change } from "../../src/model/types.ts";
import { Registry } from "../../src/registry/registry.ts";
import { Compiler } from "../../src/scoping/compile.ts";
import { NamesReader } from "../../src/scoping/flat-names.ts";
import type { ScopePatch } from "../../src/scoping/patch.ts";
import { Tables } from "../../src/scoping/tables.ts";
import { look } from "../support/look.ts";
import { changes, stateOf, taskId } from "../support/world.ts";

const BASE = `
  network n overlay 10.0.1.0/24
  network m overlay 10.0.2.0/24
  service web on n vip=10.0.1.2
  task web.1 on n ip=10.0.1.3
  container c on n ip=10.0.1.4
  container d on m ip=10.0.2.4
  sandbox c
  sandbox d`;

function world(text = BASE) {
  const registry = new Registry();
  const compiler = new Compiler();
  const tables = new Tables();
  const patches: ScopePatch[] = [];
  registry.on("change", ({ touched }) => {
    const patch = compiler.compile(registry.state, touched);
    patches.push(patch);
    tables.apply(patch);
  });
  registry.apply(changes(text));
  const change = (batch: readonly Change[]): string => {
    const before = patches.length;
    registry.apply(batch);
    expect(patches.length).toBe(before + 1);
    return textOf(patches.at(-1)!);
  };
  return { registry, compiler, tables, change };
}

/** "n:web service 1+16 | zones n=web | scopes c | -d": names by network with the types they have, zones, scopes, scopes that went. */
function textOf({ names, zones, scopes, removedScopes }: ScopePatch): string {
  const said: string[] = [];
  const reader = new NamesReader(names);
  while (reader.next()) {
    const owner = `${reader.network}:${keyName(reader.key)}`;
    const types = Array.from({ length: reader.count }, (_, i) => reader.set(i).type).join("+");
    if (reader.gone) said.push(`${owner} gone`);
    else if (reader.same) said.push(`${owner} same`);
    else said.push(`${owner}${reader.service ? " service" : ""} ${types}`.trim());
  }
  const zoneTexts = zones.map(({ id, suffix }) => `${id}=${suffix === undefined ? "gone" : keyName(suffix)}`);
  return [
    said.join(", "),
    `zones ${zoneTexts}`,
    `scopes ${scopes.map((s) => s.id)}`,
    ...removedScopes.map((id) => `-${id}`),
  ].join(" | ");
}

describe("the patch of a change", () => {
  test.each<[string, Change[], string]>([
    [
      "a container that comes",
      changes("container e on m ip=10.0.2.5"),
      "m:e 1+16, m:5.2.0.10.in-addr.arpa 12 | zones  | scopes ",
    ],
    [
      "nothing that names: its sandbox is looked at",
      changes("container c host=h on n ip=10.0.1.4"),
      " | zones  | scopes c",
    ],
    [
      "a container that goes takes its sandbox's networks",
      [{ kind: "container.remove", id: "d" }],
      "m:d gone, m:4.2.0.10.in-addr.arpa gone | zones  | scopes d",
    ],
    ["a sandbox that goes", [{ kind: "sandbox.remove", id: "d" }], " | zones  | scopes  | -d"],
    [
      "a task that goes",
      [{ kind: "task.remove", id: taskId("web.1") }],
      "n:web.1.web-1-id gone, n:1.web gone, n:3.1.0.10.in-addr.arpa gone, n:tasks.web | zones  | scopes ",
    ],
    [
      "another name for a service: its tasks', too",
      changes("service web on n vip=10.0.1.2").map((c) =>
        c.kind === "service.put" ? { ...c, service: { ...c.service, name: "shop" } } : c,
      ),
      "n:web gone, n:tasks.web gone, n:2.1.0.10.in-addr.arpa 12, n:shop service 1+16, n:tasks.shop 1, " +
        "n:web.1.web-1-id gone, n:1.web gone, n:3.1.0.10.in-addr.arpa 12, n:shop.1.web-1-id 1, n:1.shop same | zones  | scopes ",
    ],
  ])("%s", (_name, batch, expected) => expect(world().change(batch)).toBe(expected));

  const ON_BOTH = `
    network n overlay 10.0.1.0/24
    network m overlay 10.0.2.0/24
    service web on n vip=10.0.1.2 on m vip=10.0.2.2
    container c on n ip=10.0.1.4
    sandbox c`;

  test("another TTL for a network: the names of who is on it, and no zone", () => {
    const { registry, change, tables } = world(ON_BOTH);
    const seen = () => ["web A", "web.m A", "c A"].map((question) => look(tables, "c", question));
    expect(seen()).toEqual(["10.0.1.2 ttl=600", "forward", "10.0.1.4 ttl=5"]);
    const said = change([
      { kind: "network.put", network: { ...registry.state.networks.get("m")!, ttl: { stable: 30, dynamic: 3 } } },
    ]);
    expect(said).toMatch(/^n:web .*, m:web service 1\+16, .* \| zones {2}\| scopes c$/);
    expect(said).not.toContain(":c ");
    change([{ kind: "network.put", network: { ...registry.state.networks.get("n")!, ttl: { stable: 60 } } }]);
    expect(seen()).toEqual(["10.0.1.2 ttl=60", "forward", "10.0.1.4 ttl=5"]);
    change([{ kind: "network.put", network: { ...registry.state.networks.get("n")!, ttl: { dynamic: 7 } } }]);
    expect(seen()).toEqual(["10.0.1.2 ttl=600", "forward", "10.0.1.4 ttl=7"]);
  });

  test("another name for a network: what leads to its services, too", () => {
    const { registry, change, tables } = world(ON_BOTH);
    change([{ kind: "network.put", network: { ...registry.state.networks.get("n")!, name: "nn" } }]);
    expect(look(tables, "c", "2.1.0.10.in-addr.arpa PTR")).toBe("web.nn ttl=600");
  });

  test.each<[string, string, string, string]>([
    [
      "one alias in another's place",
      "service web on n vip=10.0.1.2 alias=www",
      "service web on n vip=10.0.1.2 alias=w3",
      "n:web service 1+16, n:www gone, n:tasks.web, n:tasks.www gone, n:2.1.0.10.in-addr.arpa 12, " +
        "n:w3 service 1+16, n:tasks.w3",
    ],
    [
      "one network in another's, and no address that would tell",
      "container e on n",
      "container e on m",
      "n:e gone, m:e 16",
    ],
    [
      "a second address for a task that nothing leads back to",
      `service ${"x".repeat(60)} on n\n task ${"x".repeat(60)}.1 on n ip=10.0.1.3`,
      `task ${"x".repeat(60)}.1 on n ip=10.0.1.3 ip6=fd00::3`,
      `n:1.${"x".repeat(60)} 1+28, n:tasks.${"x".repeat(60)} 1+28`,
    ],
  ])("%s", (_name, before, after, expected) => {
    const compiler = new Compiler();
    const base = changes(`network n overlay 10.0.1.0/24\n network m overlay 10.0.2.0/24\n ${before}`);
    compiler.compile(stateOf(base), "all");
    const state = stateOf([...base, ...changes(after)]);
    const { services, tasks, containers } = state;
    const none = { networks: new Set<string>(), sandboxes: new Set<string>(), tasksOf: new Set<string>() };
    const all = (objects: ReadonlyMap<string, unknown>) => new Set(objects.keys());
    const touched = { ...none, services: all(services), tasks: all(tasks), containers: all(containers) };
    expect(textOf(compiler.compile(state, touched))).toBe(`${expected} | zones  | scopes `);
    expect(textOf(compiler.compile(state, touched)), "once more").toBe(" | zones  | scopes ");
  });

  test("what a container says of itself, its address staying", () => {
    const { registry, change, tables } = world();
    const container = { ...registry.state.containers.get("d")!, labels: { tier: "db" } };
    expect(change([{ kind: "container.put", container }])).toContain("m:d 1+16");
    expect(look(tables, "d", "d TXT")).toBe("container=d|tier=db ttl=5");
  });

  test("two sandboxes of one member are looked at again, both", () => {
    const { change } = world(`${BASE}\n sandbox twin of=d`);
    expect(change(changes("container d on m ip=10.0.2.9"))).toMatch(/scopes d,twin$/);
  });

  test("another name for a network: what points into it, and the suffix", () => {
    const { registry, change, tables } = world();
    const network = { ...registry.state.networks.get("m")!, name: "mm" };
    const said = change([{ kind: "network.put", network }]);
    expect(said).toContain("zones m=mm | scopes c,d");
    expect(said).not.toContain("n:");
    expect(look(tables, "d", "d.mm A")).toBe("10.0.2.4 ttl=5");
    expect(look(tables, "d", "d.m A")).toBe("forward");
    expect(look(tables, "d", "4.2.0.10.in-addr.arpa PTR")).toBe("d.mm ttl=5");
  });

  test("a network that DNS has no form for has no suffix; one that goes has nothing", () => {
    const { registry, change } = world();
    const network = { ...registry.state.networks.get("m")!, name: "m..m" };
    expect(change([{ kind: "network.put", network }])).toContain("zones m= |");
    change([
      { kind: "sandbox.remove", id: "d" },
      { kind: "container.remove", id: "d" },
    ]);
    expect(change([{ kind: "network.remove", id: "m" }])).toBe(" | zones m=gone | scopes c");
  });

  test("a sandbox that moves to another member is looked at with that one", () => {
    const { registry, change } = world();
    const sandbox = { ...registry.state.sandboxes.get("d")!, member: { kind: "task" as const, id: taskId("web.1") } };
    change([{ kind: "sandbox.put", sandbox }]);
    expect(change(changes("container d on m ip=10.0.2.9"))).toMatch(/scopes $/);
    expect(change(changes("task web.1 on n ip=10.0.1.9"))).toMatch(/scopes d$/);
  });
});

test("a network that went is not in a snapshot", () => {
  const { tables, change } = world();
  change([
    { kind: "sandbox.remove", id: "d" },
    { kind: "container.remove", id: "d" },
  ]);
  change([{ kind: "network.remove", id: "m" }]);
  expect(tables.snapshot().zones).toEqual([{ id: "n", suffix: "\x01n" }]);
});

test("a snapshot is all there is, at its revision", () => {
  const { registry, tables } = world();
  registry.apply(changes("container e on m ip=10.0.2.5 alias=d\n container f on n ip=10.0.1.7"));
  registry.apply([{ kind: "container.remove", id: "f" }]);
  const copy = new Tables();
  const snapshot = tables.snapshot();
  copy.apply(snapshot);
  expect([copy.revision, tables.revision]).toEqual([registry.state.revision, registry.state.revision]);
  expect(snapshot).toEqual(copy.snapshot());
  expect(snapshot.zones).toEqual([
    { id: "n", suffix: "\x01n" },
    { id: "m", suffix: "\x01m" },
  ]);
  const asked = [
    "web A",
    "web TXT",
    "tasks.web A",
    "1.web A",
    "c.n A",
    "f A",
    "d A",
    "e.m A",
    "4.2.0.10.in-addr.arpa PTR",
  ];
  for (const question of asked)
    for (const id of ["c", "d"]) expect(look(copy, id, question), question).toBe(look(tables, id, question));
  expect(look(copy, "d", "d A")).toBe("10.0.2.4 10.0.2.5 ttl=5");
  expect(look(copy, "c", "web A")).toBe("10.0.1.2 ttl=600");
});
