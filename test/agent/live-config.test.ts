/** Edits of the files under a node that runs: what it comes to, what is said, what stays when an edit is bad. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { LiveConfig } from "../../src/agent/live-config.ts";
import { stateLines } from "../../src/agent/state-text.ts";
import { readFiles } from "../../src/config/files.ts";
import { draftOf } from "../../src/config/load.ts";
import type { Options } from "../../src/config/options.ts";
import { ConfigError } from "../../src/config/problems.ts";
import { createNode } from "../../src/daemon.ts";
import type { ChangeInput } from "../../src/model/input.ts";
import { memoryStore } from "../../src/registry/stores/memory.ts";
import type { Store } from "../../src/registry/stores/store.ts";

const NET = "networks: { n: { subnet: 10.0.1.0/24 } }\n";
const container = (name: string) => `containers: { ${name}: { networks: [n] } }\n`;

/** A node with a store, and a directory of files that is live in it. */
async function live(
  files: Readonly<Record<string, string>>,
  { store = memoryStore(), watch = false, made = [] as ChangeInput[] } = {},
) {
  const directory = mkdtempSync(join(tmpdir(), "eleven-"));
  const said: string[] = [];
  const options: Options[] = [];
  const node = createNode({ workers: 0, transport: "dgram", store, onNotice: () => {} });
  onTestFinished(async () => {
    await node.close();
    rmSync(directory, { recursive: true, force: true });
  });
  await node.write(made);
  const write = (name: string, text: string) => writeFileSync(join(directory, name), text);
  for (const [name, text] of Object.entries(files)) write(name, text);
  const texts = await readFiles([directory]);
  const config = await LiveConfig.begin(
    {
      paths: [directory],
      node,
      onOptions: (o) => options.push(o),
      onNotice: (message) => said.push(message.replaceAll(`${directory}/`, "").replaceAll(directory, "DIR")),
      watch: { every: watch ? 10 : 1e8, quiet: 5 },
    },
    texts,
    draftOf(texts, directory, {}, {}),
  );
  onTestFinished(() => config.close());
  const names = () => [...node.state.containers.values()].map((c) => c.name).join();
  const reloaded = async () =>
    JSON.parse(
      JSON.stringify(await config.reload())
        .replaceAll(`${directory}/`, "")
        .replaceAll(directory, "DIR"),
    );
  return {
    node,
    config,
    directory,
    write,
    said,
    options,
    names,
    reloaded,
    remove: (name: string) => rmSync(join(directory, name)),
  };
}

test.each<[string, (it: Awaited<ReturnType<typeof live>>) => void]>([
  ["an empty file", ({ write }) => write("a.yaml", "")],
  ["comments alone", ({ write }) => write("a.yaml", "# soon\n---\n")],
  ["no file at all", ({ remove }) => remove("a.yaml")],
])("%s takes nothing away; {} does", async (_, edit) => {
  const it = await live({ "a.yaml": `${NET}\n${container("b")}` });
  edit(it);
  const message = "nothing is written there any more: what was in force stays; {} takes everything away";
  expect(await it.reloaded()).toMatchObject({ refused: [{ file: "DIR", message }] });
  expect(it.names()).toBe("b");
  it.write("a.yaml", "{}");
  await it.reloaded(); // or the watch was faster
  expect(it.names()).toBe("");
});

test("an edit is a diff, a file that is gone takes its objects along, and nothing else moves", async () => {
  const { node, write, remove, names, reloaded, said } = await live({ "a.yaml": NET, "b.yaml": container("b") });
  const before = node.state.containers.values().next().value;
  write("c.yaml", container("c"));
  expect(await reloaded()).toEqual({ revision: 2, changed: 1, restart: [] });
  expect([names(), node.state.containers.values().next().value]).toEqual(["b,c", before]);
  expect(await reloaded()).toEqual({ revision: 2, changed: 0, restart: [] });
  remove("b.yaml");
  expect(await reloaded()).toEqual({ revision: 3, changed: 1, restart: [] });
  expect(names()).toBe("c");
  expect(said).toEqual([
    "config: objects that changed: 1 (revision 2)",
    "config read again: nothing is another",
    "config: objects that changed: 1 (revision 3)",
  ]);
});

test("a bad edit is refused whole, with everything that is wrong with it, until there is a good one", async () => {
  const { node, config, write, names, reloaded, said } = await live({ "a.yaml": NET + container("c") });
  write(
    "a.yaml",
    `${NET}containers:\n  d: { networks: { n: { ip: 10.9.9.9 } } }\n  e: { networks: [m] }\n  f: { network: n }\n`,
  );
  write(
    "b.yaml",
    "services:\n  web: { networks: [n], ports: [{ target: 80, published: 99999 }] }\n  api: { networks: [n] }",
  );
  const problems = [
    ["a.yaml", 3, "container d: 10.9.9.9 is outside the subnets of network n (10.0.1.0/24)"],
    ["a.yaml", 4, 'container e: there is no network "m"'],
    ["a.yaml", 5, "is missing"],
    ["a.yaml", 5, "is no key that is known here"],
    ["b.yaml", 2, "must be at most 65535"],
  ];
  const { refused } = await reloaded();
  expect(refused.map(({ file, line, message }: Record<string, unknown>) => [file, line, message])).toEqual(problems);
  expect([names(), node.state.revision]).toEqual(["c", 1]);
  expect(config.status().refused?.problems).toHaveLength(5);
  expect(said[0]).toBe("config refused, and what was in force stays; problems: 5");
  expect(said).toHaveLength(6);
  write("a.yaml", NET + container("d"));
  write("b.yaml", "");
  await reloaded();
  expect([names(), config.status().refused]).toEqual(["d", undefined]);
});

test.each<[string, string, string[]]>([
  [
    "what the API made",
    "networks: { n: { subnet: 10.0.1.0/24 }, mine: {} }",
    [
      'a.yaml:1:41: networks.mine: network "mine" was made through the API; remove it there first (eleven network rm mine), or call this one otherwise',
    ],
  ],
  [
    "a network that the API's objects are on",
    "{}",
    ["a.yaml: it is not written here any more: network n can't be removed while it is in use by container theirs"],
  ],
])("%s stops an edit", async (_, text, expected) => {
  const { node, write, reloaded } = await live({ "a.yaml": NET });
  await node.write([
    { kind: "network.put", network: { name: "mine" } },
    { kind: "container.put", container: { name: "theirs", endpoints: [{ network: "n" }] } },
  ]);
  write("a.yaml", text);
  const { refused } = await reloaded();
  expect(new ConfigError(refused).message.split("\n")).toEqual(expected);
});

test("a restart is a reload: what is stored stays as it was, what the files say no more goes", async () => {
  const store = memoryStore();
  const made: ChangeInput[] = [
    { kind: "network.put", network: { name: "n", subnets: [{ cidr: "10.0.1.0/24" }], source: "/gone.yaml" } },
    { kind: "container.put", container: { name: "old", endpoints: [{ network: "n" }], source: "/gone.yaml" } },
    { kind: "container.put", container: { name: "theirs", endpoints: [{ network: "n" }] } },
  ];
  const { node, names } = await live({ "a.yaml": NET + container("new") }, { store, made });
  expect(names()).toBe("theirs,new");
  expect([...node.state.containers.values()].map((c) => c.endpoints[0]!.ip4)).toEqual(["10.0.1.3", "10.0.1.4"]);
});

test("a start with what is stored goes on with it where the files can't be had, and says so, until they can", async () => {
  const made: ChangeInput[] = [
    { kind: "network.put", network: { name: "n", subnets: [{ cidr: "10.0.1.0/24" }] } },
    { kind: "container.put", container: { name: "theirs", endpoints: [{ network: "n" }] } },
  ];
  const text = `upstreams: [192.0.2.1]\n${NET}${container("new")}`;
  const { node, config, names, said, options, reloaded, directory } = await live({ "a.yaml": text }, { made });
  expect([names(), node.state.revision]).toEqual(["theirs", 1]);
  expect(said).toEqual([
    "config refused, and what is stored stays; problems: 1",
    'a.yaml:2:13: networks.n: network "n" was made through the API; remove it there first (eleven network rm n), or call this one otherwise',
  ]);
  expect(config.status()).toMatchObject({
    files: [`${directory}/a.yaml`],
    refused: { problems: [{ line: 2 }] },
    restart: [],
  });
  expect(options.map(({ upstreams }) => upstreams)).toEqual([[{ address: "192.0.2.1", port: 53 }]]);
  await node.write([
    { kind: "container.remove", id: "theirs" },
    { kind: "network.remove", id: "n" },
  ]);
  expect(await reloaded()).toEqual({ revision: 3, changed: 2, restart: [] });
  expect([names(), config.status().refused]).toEqual(["new", undefined]);
});

test.each<[string, string, ChangeInput[]]>([
  ["where nothing is stored", container("new"), []],
  ["with a config of bad form, whatever is stored", "networks: 5", [{ kind: "network.put", network: { name: "n" } }]],
])("there is no start %s", async (_, text, made) => {
  const store = memoryStore();
  await expect(live({ "a.yaml": text }, { store, made })).rejects.toThrow(ConfigError);
});

test("options: upstreams are in force at once, others take a restart, and which is said", async () => {
  const { write, reloaded, options, said, config } = await live({ "a.yaml": "upstreams: []\nworkers: 1\n" });
  write("a.yaml", "upstreams: [192.0.2.1]\nworkers: 2\nstate_dir: /x\nbalance: { backend: ipvs }\n");
  expect(await reloaded()).toEqual({
    revision: 0,
    changed: 0,
    restart: ["node", "balance.backend", "balance.placement", "balance.networks", "workers", "state_dir"],
  });
  expect(options.at(-1)!.upstreams).toEqual([{ address: "192.0.2.1", port: 53 }]);
  expect(said.at(-1)).toMatch(/^config: in force after a restart only: .*workers, state_dir$/);
  write("a.yaml", "upstreams: []\nworkers: 1\n");
  expect(await reloaded()).toMatchObject({ restart: [] });
  expect(config.status().restart).toEqual([]);
});

test("files that are watched are read when they change, and what is refused is not tried again and again", async () => {
  const { write, names, said, config } = await live({ "a.yaml": NET }, { watch: true });
  write("b.yaml", container("b"));
  await vi.waitFor(() => expect(names()).toBe("b"));
  write("b.yaml", "containers: 5");
  await vi.waitFor(() => expect(config.status().refused).toBeDefined());
  write("b.yaml", container("c"));
  await vi.waitFor(() => expect(names()).toBe("c"));
  expect(said.filter((line) => line.startsWith("config refused"))).toHaveLength(1);
  expect(config.status().refused).toBeUndefined();
});

test("where an object is written", async () => {
  const { config, write, reloaded, directory } = await live({
    "a.yaml": NET,
    "b.yaml": `# first\n\n${container("b")}`,
  });
  const id = (name: string) =>
    [...draftOf([{ file: "f", source: "", text: container(name) }], "f", {}, {}).config.changes].at(-1)!;
  const c = (name: string) => (id(name) as unknown as { container: { id: string } }).container.id;
  expect([config.placeOf("network", "n"), config.placeOf("container", c("b")), config.placeOf("service", "x")]).toEqual(
    [`${directory}/a.yaml:1`, `${directory}/b.yaml:3`, undefined],
  );
  write("b.yaml", container("b"));
  await reloaded();
  expect(config.placeOf("container", c("b"))).toBe(`${directory}/b.yaml:1`);
});

test("what can't be stored is no refusal: it is said, and the same files are tried again", async () => {
  const inner = memoryStore();
  let fails = false;
  const store: Store = {
    open: (...given) => inner.open(...given),
    close: () => inner.close(),
    write: async (changes) => (fails ? Promise.reject(new Error("no space")) : inner.write(changes)),
  };
  const { config, write, names, said } = await live({ "a.yaml": NET }, { store });
  write("a.yaml", NET + container("c"));
  fails = true;
  await expect(config.reload()).rejects.toThrow("no space");
  expect(said).toEqual(["config can't be read again: no space"]);
  fails = false;
  await config.reload();
  expect(names()).toBe("c");
});

test("writes that come while a reload waits are seen by it", async () => {
  const { node, config, write } = await live({ "a.yaml": NET });
  write("a.yaml", `${NET}services: { web: { networks: [n] } }`);
  const theirs = node.write([{ kind: "service.put", service: { name: "web", networks: [{ network: "n" }] } }]);
  const [reloaded] = await Promise.all([config.reload(), theirs]);
  expect(reloaded).toMatchObject({
    refused: [{ message: expect.stringContaining('service "web" was made through the API') }],
  });
  expect(node.state.services.get("web")?.source).toBeUndefined();
});

test("how everything stands, in lines", async () => {
  const { node, config, write, reloaded, directory } = await live({ "a.yaml": NET + container("c") });
  node.setUpstreams([
    { address: "192.0.2.1", port: 53 },
    { address: "2001:db8::1", port: 53, domains: ["corp.example"] },
  ]);
  write("a.yaml", "networks: 5");
  await reloaded();
  const lines = stateLines({ node, config: config.status(), seconds: 61.2 });
  expect(lines.map((line) => line.replace(/\d{4}-\S+Z/, "TIME").replaceAll(directory, "DIR"))).toEqual([
    "state: revision 1, up 61 s",
    "state: 1 networks, 0 services, 0 tasks, 1 containers, 0 sandboxes",
    "problem: none",
    "balance: none",
    "upstream: 192.0.2.1:53",
    "upstream: [2001:db8::1]:53 for corp.example",
    "config: DIR/a.yaml, read TIME",
    "config: in force after a restart only: none",
    "config refused: TIME: DIR/a.yaml:1:11: networks: must be a mapping",
  ]);
});
