/** Requests of runtimes, and what becomes of them in a registry. */
import { beforeEach, describe, expect, test } from "vitest";
import { CniError, CODE } from "../../src/cni/error.ts";
import { type Agent, plugin, versions } from "../../src/cni/plugin.ts";
import { commandIn, readRequest } from "../../src/cni/request.ts";
import { RegistryError } from "../../src/registry/error.ts";
import { Registry } from "../../src/registry/registry.ts";

let registry: Registry;
let between: () => void;
let changed: Map<string, number>;
beforeEach(() => {
  registry = new Registry();
  between = () => {};
  changed = new Map();
  registry.on("change", ({ revision, touched }) => {
    for (const id of touched.containers)
      if (registry.state.containers.has(id)) changed.set(id, revision);
      else changed.delete(id);
  });
});

/** An agent without a process around it. */
const agent: Agent = {
  container: async (id) => {
    const object = registry.state.containers.get(id);
    return object && { object, revision: changed.get(id)! };
  },
  containers: async () => [...registry.state.containers.values()],
  network: async (name) => [...registry.state.networks.values()].find((n) => n.name === name)?.id,
  change: async (changes, at) => {
    between();
    if (at !== undefined && (changed.get(at.id) ?? null) !== at.revision) return false;
    try {
      registry.apply(changes);
    } catch (error) {
      if (error instanceof RegistryError) throw new CniError(CODE.refused, error.message);
      throw error;
    }
    return true;
  },
  problem: async () => undefined,
  sandboxProblem: async () => undefined,
};

const CONFIG = {
  cniVersion: "1.1.0",
  name: "net1",
  type: "eleven",
  prevResult: {
    cniVersion: "1.1.0",
    interfaces: [{ name: "cni0" }, { name: "veth1" }, { name: "eth0", sandbox: "/run/netns/c1" }],
    ips: [
      { interface: 2, address: "10.1.0.5/16", gateway: "10.1.0.1" },
      { interface: 2, address: "fd01::5/64" },
    ],
    routes: [{ dst: "0.0.0.0/0" }],
    dns: { nameservers: ["192.0.2.53"], search: ["corp.example"], options: ["ndots:5", "edns0"] },
  },
};
const ID = "0cb69af29af2b0885c9a1d1b36e1ca7d";

function run(command: string, config: object = CONFIG, environment: Record<string, string> = {}) {
  const env = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: ID,
    CNI_NETNS: "/run/netns/c1",
    CNI_IFNAME: "eth0",
    ...environment,
  };
  return plugin(readRequest(env, JSON.stringify(config)), agent);
}

/** What is known, an object a line. */
function known(): string[] {
  const { networks, containers, sandboxes } = registry.state;
  return [
    ...[...networks.values()].map(
      (n) => `network ${n.name} ${n.subnets.map((s) => `${s.cidr}${s.gateway ? ` via ${s.gateway}` : ""}`).join(" ")}`,
    ),
    ...[...containers.values()].map(
      (c) =>
        `container ${c.name} ${c.endpoints.map((e) => `${e.network} ${e.ip4 ?? ""} ${e.ip6 ?? ""} ${e.aliases.join(",")}`.trimEnd()).join("; ")}`,
    ),
    ...[...sandboxes.values()].map(
      (s) =>
        `sandbox ${s.netns} ${s.bind ?? "direct"} ${(s.upstreams ?? []).map((u) => u.address).join(",")} ${(s.search ?? []).join(",")}`,
    ),
  ];
}

describe("ADD", () => {
  test("makes network, container and sandbox; the result is the one before, with our resolver", async () => {
    expect(await run("ADD")).toEqual({
      ...CONFIG.prevResult,
      dns: { nameservers: ["127.0.0.11"], search: ["corp.example"], options: ["edns0", "ndots:0"] },
    });
    expect(known()).toEqual([
      "network net1 10.1.0.0/16 via 10.1.0.1 fd01::/64 via fd01::1",
      "container 0cb69af29af2 net1 10.1.0.5 fd01::5",
      "sandbox /run/netns/c1 direct 192.0.2.53 corp.example",
    ]);
  });

  test.each<[string, Record<string, string>, object, string]>([
    [
      "a pod",
      { K8S_POD_NAME: "web-1", K8S_POD_NAMESPACE: "shop" },
      {},
      "container web-1.shop net1 10.1.0.5 fd01::5 web-1",
    ],
    [
      "a pod whose names together are too long for one",
      { K8S_POD_NAME: "p".repeat(200), K8S_POD_NAMESPACE: "n".repeat(60) },
      {},
      `container 0cb69af29af2 net1 10.1.0.5 fd01::5 ${"p".repeat(200)}`,
    ],
    [
      "podman, which has no namespaces",
      { K8S_POD_NAME: "web", K8S_POD_NAMESPACE: "web" },
      {},
      "container web net1 10.1.0.5 fd01::5",
    ],
    [
      "a name of its own",
      { ELEVEN_NAME: "db", ELEVEN_ALIASES: "sql,store", K8S_POD_NAME: "x" },
      {},
      "container db net1 10.1.0.5 fd01::5 sql,store",
    ],
    [
      "aliases as the conventions have them",
      {},
      { aliases: ["a", "b"] },
      "container 0cb69af29af2 net1 10.1.0.5 fd01::5 a,b",
    ],
    [
      "aliases by network, as podman has them",
      {},
      { aliases: { net1: ["a"], net2: ["b"] } },
      "container 0cb69af29af2 net1 10.1.0.5 fd01::5 a",
    ],
  ])("names: %s", async (_, args, runtimeConfig, line) => {
    const CNI_ARGS = Object.entries({ IgnoreUnknown: "1", ...args })
      .map((pair) => pair.join("="))
      .join(";");
    await run("ADD", { ...CONFIG, runtimeConfig }, { CNI_ARGS });
    expect(known()[1]).toBe(line);
  });

  test("an interface more is an endpoint more; the sandbox stays one", async () => {
    await run("ADD");
    const second = {
      ...CONFIG,
      name: "net2",
      prevResult: {
        ips: [{ address: "10.2.0.5/16", interface: 0 }],
        interfaces: [{ name: "eth1", sandbox: "/run/netns/c1" }],
      },
    };
    await run("ADD", second, { CNI_IFNAME: "eth1" });
    expect(known().slice(2)).toEqual([
      "container 0cb69af29af2 net1 10.1.0.5 fd01::5; net2 10.2.0.5",
      "sandbox /run/netns/c1 direct  ",
    ]);
    await run("DEL", second, { CNI_IFNAME: "eth1" });
    expect(known()[2]).toBe("container 0cb69af29af2 net1 10.1.0.5 fd01::5");
    await run("DEL");
    expect(known()).toEqual([
      "network net1 10.1.0.0/16 via 10.1.0.1 fd01::/64 via fd01::1",
      "network net2 10.2.0.0/16 via 10.2.0.1",
    ]);
  });

  test("on a network that is there, by its name", async () => {
    registry.apply([
      {
        kind: "network.put",
        network: { id: "n-1", name: "shared", subnets: [{ cidr: "10.1.0.0/16" }, { cidr: "fd01::/64" }] },
      },
    ]);
    await run("ADD", { ...CONFIG, network: "shared", bind: "redirect", upstreams: [] });
    expect(known()).toEqual([
      "network shared 10.1.0.0/16 via 10.1.0.1 fd01::/64 via fd01::1",
      "container 0cb69af29af2 n-1 10.1.0.5 fd01::5",
      "sandbox /run/netns/c1 redirect  corp.example",
    ]);
  });

  test("twice is once; and somebody who is faster loses nothing", async () => {
    await run("ADD");
    let once = true;
    between = () => {
      if (once) registry.apply([{ kind: "container.patch", id: ID, patch: { hostname: "h" } }]);
      once = false;
    };
    await run("ADD");
    expect(registry.state.containers.get(ID)?.endpoints).toHaveLength(1);
  });
});

describe("DEL, GC, CHECK", () => {
  test("DEL of what is not there is fine, and of what others made nothing happens", async () => {
    await run("DEL");
    registry.apply([{ kind: "container.put", container: { id: ID, name: "mine" } }]);
    await run("DEL");
    expect(known()).toEqual(["container mine "]);
  });

  test("GC takes attachments of this configuration that are not valid any more, and nobody else's", async () => {
    await run("ADD");
    await run(
      "ADD",
      { ...CONFIG, prevResult: { ips: [{ address: "10.1.0.6/16" }] } },
      { CNI_CONTAINERID: "other", CNI_NETNS: "/run/netns/other" },
    );
    await run(
      "ADD",
      { ...CONFIG, name: "net9", prevResult: { ips: [{ address: "10.9.0.6/16" }] } },
      { CNI_CONTAINERID: "ninth", CNI_NETNS: "/run/netns/ninth" },
    );
    registry.apply([{ kind: "container.put", container: { name: "mine" } }]);
    await run("GC", { ...CONFIG, "cni.dev/valid-attachments": [{ containerID: ID, ifname: "eth0" }] });
    expect([...registry.state.containers.keys()].sort()).toEqual([ID, "mine", "ninth"].sort());
  });

  test("CHECK", async () => {
    await expect(run("CHECK")).rejects.toMatchObject({ code: CODE.unknownContainer });
    await run("ADD");
    await run("CHECK");
    const moved = { ...CONFIG, prevResult: { ips: [{ address: "10.1.0.7/16" }, { address: "fd01::5/64" }] } };
    await expect(run("CHECK", moved)).rejects.toMatchObject({
      message: `container ${ID} is known as 10.1.0.5 on net1, not as 10.1.0.7`,
    });
  });
});

describe("what is wrong is said as the specification has it", () => {
  test.each<[string, string | object, Record<string, string>, number, string]>([
    ["no JSON", "{", {}, 6, "the configuration on standard input is no JSON"],
    ["no object", "[]", {}, 7, "it must be an object"],
    [
      "a version that is not known",
      { ...CONFIG, cniVersion: "0.1.0" },
      {},
      1,
      "cniVersion 0.1.0 is not known here; 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0 are",
    ],
    ["a wrong type", { ...CONFIG, bind: "no" }, {}, 7, 'bind must be "direct" or "redirect"'],
    ["no namespace", CONFIG, { CNI_NETNS: "" }, 4, "ADD needs CNI_NETNS in the environment"],
    ...["..", "a/b", "-c", "c 1", "ü"].map((id): [string, object, Record<string, string>, number, string] => [
      `a container called ${id}`,
      CONFIG,
      { CNI_CONTAINERID: id },
      4,
      `CNI_CONTAINERID must begin with a letter or digit, and go on with those and "_", "." and "-", not "${id}"`,
    ]),
    ...[".", "..", "a/b", "a:b", "a b", "a\u00a0b", "sixteen-octets-0"].map(
      (name): [string, object, Record<string, string>, number, string] => [
        `an interface called ${name}`,
        CONFIG,
        { CNI_IFNAME: name },
        4,
        `CNI_IFNAME must be a name that an interface can have, not "${name}"`,
      ],
    ),
    [
      "no plugin before it",
      { ...CONFIG, prevResult: undefined },
      {},
      7,
      "eleven comes after the plugin that makes the interface (bridge, macvlan, ptp, …): there is no prevResult",
    ],
    ["no address", { ...CONFIG, prevResult: {} }, {}, 7, "prevResult has no address for eth0 in /run/netns/c1"],
    [
      "no prefix",
      { ...CONFIG, prevResult: { ips: [{ address: "10.1.0.5" }] } },
      {},
      7,
      'prevResult.ips: "10.1.0.5" is no address with its prefix length',
    ],
  ])("%s", async (_, config, environment, code, message) => {
    const env = {
      CNI_COMMAND: "ADD",
      CNI_CONTAINERID: ID,
      CNI_NETNS: "/run/netns/c1",
      CNI_IFNAME: "eth0",
      ...environment,
    };
    const text = typeof config === "string" ? config : JSON.stringify(config);
    const done = (async () => plugin(readRequest(env, text), agent))();
    await expect(done).rejects.toMatchObject({ code, message });
  });

  test("an unknown command", () => {
    expect(() => commandIn({ CNI_COMMAND: "FLY" })).toThrow(
      'CNI_COMMAND must be one of ADD, DEL, CHECK, STATUS, VERSION, GC, not "FLY"',
    );
  });

  test("an address that another container has", async () => {
    await run("ADD");
    await expect(run("ADD", CONFIG, { CNI_CONTAINERID: "second" })).rejects.toMatchObject({ code: CODE.refused });
  });
});

test("VERSION", async () => {
  expect(versions("0.4.0")).toEqual({
    cniVersion: "0.4.0",
    supportedVersions: ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"],
  });
});
