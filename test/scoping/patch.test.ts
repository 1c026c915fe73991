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
import { changes, taskId } from "../support/world.ts";

const BASE = `
  network n overlay 10.0.1.0/24
  network m overlay 10.0.2.0/24
  service web on n vip=10.0.1.2
  task web.1 on n ip=10.0.1.3
  container c on n ip=10.0.1.4
  container d on m ip=10.0.2.4
  sandbox c
  sandbox d`;

function world() {
  const registry = new Registry();
  const compiler = new Compiler();
  const tables = new Tables();
  const patches: ScopePatch[] = [];
  registry.on("change", ({ touched }) => {
    const patch = compiler.compile(registry.state, touched);
    patches.push(patch);
    tables.apply(patch);
  });
  registry.apply(changes(BASE));
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

test("a snapshot is all there is, at its revision", () => {
  const { registry, compiler, tables } = world();
  registry.apply(changes("container e on m ip=10.0.2.5 alias=d\n container f on n ip=10.0.1.7"));
  registry.apply([{ kind: "container.remove", id: "f" }]);
  const copy = new Tables();
  const snapshot = compiler.snapshot(registry.state);
  copy.apply(snapshot);
  expect([copy.revision, tables.revision]).toEqual([registry.state.revision, registry.state.revision]);
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
