/** From one config to the next: what the batch is made of, what it comes to, and what of it moves. */
import { expect, test } from "vitest";
import { reloadOf } from "../../src/agent/reload.ts";
import { draftOf } from "../../src/config/load.ts";
import type { Config } from "../../src/config/options.ts";
import type { ChangeInput } from "../../src/model/input.ts";
import type { ReadonlyState } from "../../src/model/types.ts";
import { Registry } from "../../src/registry/registry.ts";

/** A config of files by name. */
function config(files: Readonly<Record<string, string>>): Config {
  const texts = Object.entries(files).map(([file, text]) => ({ file, source: `/${file}`, text }));
  const { config, problems } = draftOf(texts, "conf.d", {}, {});
  expect(problems).toEqual([]);
  return config;
}

const text = (change: ChangeInput, state: ReadonlyState): string => {
  const [kind = "", verb] = change.kind.split(".");
  const { id, name } =
    "id" in change
      ? { id: change.id, name: undefined }
      : (change as unknown as Record<string, { id: string; name?: string }>)[kind]!;
  const task = state.tasks.get(id);
  return `${verb} ${kind} ${task ? `${task.service}.${task.slot}` : (name ?? state.containers.get(id)?.name ?? id)}`;
};

/** What the reload says, without puts of what is there already as it should be. */
function steps(registry: Registry, wanted: Config): string[] {
  const { changes, foreign } = reloadOf(registry.state, wanted.changes);
  const before = structuredClone({
    tasks: registry.state.tasks,
    containers: registry.state.containers,
  }) as ReadonlyState;
  const told = changes.filter((c) => !c.kind.endsWith(".put") || !unchanged(registry, c)).map((c) => text(c, before));
  return [...told, ...foreign.map(({ index, message }) => `${index}: ${message}`)];
}

const unchanged = (registry: Registry, change: ChangeInput): boolean => {
  const [rehearsed] = registry.rehearse([[change]]);
  return "objects" in rehearsed! && rehearsed.objects.length === 0;
};

/** "c 10.0.1.2, web.1 10.0.1.3, …", what has an address; ports and listeners too. */
const addresses = ({ containers, tasks, services, sandboxes }: ReadonlyState): string =>
  [
    ...[...services.values()].map((s) => [
      s.name,
      ...s.networks.map((n) => n.vip4),
      ...s.ports.map((p) => `:${p.published}`),
    ]),
    ...[...tasks.values()].map((t) => [`${t.service}.${t.slot}`, ...t.endpoints.map((e) => e.ip4)]),
    ...[...containers.values()].map((c) => [c.name, ...c.endpoints.map((e) => e.ip4)]),
    ...[...sandboxes.values()].map((s) => [s.id, ...s.listen.map((l) => `${l.address}:${l.port}`)]),
  ]
    .map((words) => words.join(" "))
    .sort()
    .join(", ");

const NET = "networks: { n: { subnet: 10.0.1.0/24 }, m: { subnet: 10.0.2.0/24 } }\n";
type Files = Readonly<Record<string, string>>;

test.each<[string, Files, Files, string[], string]>([
  [
    "the same again",
    { a: `${NET}services: { web: { networks: [n] } }` },
    { a: `${NET}services: { web: { networks: [n] } }` },
    [],
    "web 10.0.1.2, web.1 10.0.1.3",
  ],
  [
    "one more task, one less container, another alias: nothing else moves",
    { a: `${NET}services: { web: { networks: [n] } }\ncontainers: { c: { networks: [n] }, d: { networks: [n] } }` },
    {
      a: `${NET}services: { web: { networks: { n: { aliases: [www] } }, replicas: 2 } }\ncontainers: { d: { networks: [n] } }`,
    },
    ["remove container c", "put service web", expect.stringMatching(/^put task /) as unknown as string],
    "d 10.0.1.5, web 10.0.1.2, web.1 10.0.1.3, web.2 10.0.1.6",
  ],
  [
    "a service goes with its network",
    {
      a: "networks: { n: { subnet: 10.0.1.0/24 } }\nservices: { web: { networks: [n] } }\ncontainers: { c: { networks: [n] } }\nsandboxes: { s: { container: c, listen: '127.0.0.1:53' } }",
    },
    { a: "" },
    ["remove sandbox s", "remove container c", "remove task web.1", "remove service web", "remove network n"],
    "",
  ],
  [
    "a file that is gone takes its objects along",
    { a: NET, b: "containers: { c: { networks: [n] } }" },
    { a: NET },
    ["remove container c"],
    "",
  ],
  [
    "an object moves to another file",
    { a: NET, b: "containers: { c: { networks: [n] } }" },
    { a: `${NET}containers: { c: { networks: [n] } }` },
    ["put container c"],
    "c 10.0.1.2",
  ],
  [
    "two swap their addresses",
    { a: `${NET}containers: { c: { networks: { n: { ip: 10.0.1.7 } } }, d: { networks: { n: { ip: 10.0.1.8 } } } }` },
    { a: `${NET}containers: { c: { networks: { n: { ip: 10.0.1.8 } } }, d: { networks: { n: { ip: 10.0.1.7 } } } }` },
    ["patch container c", "patch container d", "put container c", "put container d"],
    "c 10.0.1.8, d 10.0.1.7",
  ],
  [
    "an address that was allocated is asked for by somebody else",
    { a: `${NET}containers: { c: { networks: [n, m] } }` },
    { a: `${NET}containers: { c: { networks: [n, m] }, d: { networks: { n: { ip: 10.0.1.2 } } } }` },
    ["patch container c", "put container d"],
    "c 10.0.1.3 10.0.2.2, d 10.0.1.2",
  ],
  [
    "a port goes from blue to green",
    { a: `${NET}services: { green: { networks: [n] }, blue: { networks: [n], ports: ["8080:80"] } }` },
    { a: `${NET}services: { green: { networks: [n], ports: ["8080:80"] }, blue: { networks: [n] } }` },
    ["patch service blue", "put service green", "put service blue"],
    "blue 10.0.1.4, blue.1 10.0.1.5, green 10.0.1.2 :8080, green.1 10.0.1.3",
  ],
  [
    "a service leaves a network, and its tasks before it",
    { a: `${NET}services: { web: { networks: [n, m] } }` },
    { a: `${NET}services: { web: { networks: [m] } }` },
    ["patch task web.1", "put service web"],
    "web 10.0.2.2, web.1 10.0.2.3",
  ],
  [
    "sandboxes swap their places",
    {
      a: `${NET}containers: { c: { networks: [n] } }\nsandboxes: { s: { container: c, listen: "127.0.0.1:53" }, t: { container: c, listen: "127.0.0.2:53" } }`,
    },
    {
      a: `${NET}containers: { c: { networks: [n] } }\nsandboxes: { s: { container: c, listen: "127.0.0.2:53" }, t: { container: c, listen: "127.0.0.1:53" } }`,
    },
    ["patch sandbox s", "patch sandbox t", "put sandbox s", "put sandbox t"],
    "c 10.0.1.2, s 127.0.0.2:53, t 127.0.0.1:53",
  ],
])("%s", (_, before, after, expected, then) => {
  const registry = new Registry();
  registry.apply(reloadOf(registry.state, config(before).changes).changes);
  const wanted = config(after);
  const found = steps(registry, wanted);
  registry.apply(reloadOf(registry.state, wanted.changes).changes);
  expect(addresses(registry.state)).toBe(then);
  expect(steps(registry, wanted)).toEqual([]);
  expect(found).toEqual(expected);
});

test.each<[string, ChangeInput[], string, string[]]>([
  [
    "by its id",
    [{ kind: "network.put", network: { name: "n" } }],
    "networks: { n: {}, o: {} }",
    [
      "put network o",
      '0: network "n" was made through the API; remove it there first (eleven network rm n), or call this one otherwise',
    ],
  ],
  [
    "by its name",
    [
      { kind: "network.put", network: { name: "n" } },
      { kind: "container.put", container: { name: "Web", id: "x" } },
    ],
    "containers: { web: { networks: [] } }",
    [
      '0: container "web" was made through the API; remove it there first (eleven container rm web), or call this one otherwise',
    ],
  ],
  [
    "services of one name are fine on networks that differ",
    [
      { kind: "network.put", network: { name: "n" } },
      { kind: "service.put", service: { name: "web", id: "x", networks: [{ network: "n" }] } },
    ],
    "networks: { m: {} }\nservices: { web: { networks: [m], replicas: 0 }, }",
    ["put network m", "put service web"],
  ],
  [
    "what the API made stays, whatever the files say",
    [
      { kind: "network.put", network: { name: "n" } },
      { kind: "container.put", container: { name: "c" } },
    ],
    "",
    [],
  ],
])("the API has it already: %s", (_, made, text, expected) => {
  const registry = new Registry();
  registry.apply(made);
  expect(steps(registry, config({ a: text }))).toEqual(expected);
});
