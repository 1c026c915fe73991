import { describe, expect, test } from "vitest";
import type { Change, Endpoint, Network, Port, Sandbox, Service, Task } from "../../src/model/types.ts";
import { Registry } from "../../src/registry/registry.ts";

const network = (id: string, more: Partial<Network> = {}): Change => ({
  kind: "network.put",
  network: {
    id,
    name: id,
    driver: "overlay",
    ingress: false,
    defaultBridge: false,
    internal: false,
    subnets: [],
    ...more,
  },
});
const subnet = (cidr: string, gateway?: string): Partial<Network> => ({
  subnets: [{ cidr, ...(gateway ? { gateway } : {}) }],
});
const service = (id: string, more: Partial<Service> = {}): Change => ({
  kind: "service.put",
  service: {
    id,
    name: id,
    mode: "vip",
    publish: "healthy",
    networks: [{ network: "n", aliases: [] }],
    ports: [],
    labels: {},
    ...more,
  },
});
const on = (...networks: string[]): Endpoint[] =>
  networks.map((n) => ({ network: n, aliases: [], links: [], priority: 0 }));
const task = (id: string, of: string, networks: string[], more: Partial<Task> = {}): Change => ({
  kind: "task.put",
  task: {
    id,
    service: of,
    slot: 1,
    node: "x",
    state: "running",
    health: "none",
    labels: {},
    endpoints: on(...networks),
    ...more,
  },
});
const container = (id: string, ip4?: string, name = id): Change => ({
  kind: "container.put",
  container: {
    id,
    name,
    state: "running",
    labels: {},
    endpoints: on("n").map((e) => ({ ...e, ...(ip4 ? { ip4 } : {}) })),
  },
});
const sandbox = (id: string, listen: Sandbox["listen"], more: Partial<Sandbox> = {}): Change => ({
  kind: "sandbox.put",
  sandbox: { id, member: { kind: "container", id: "later" }, listen, ...more },
});
/** Whom those sandboxes belong to. */
const LATER: Change = {
  kind: "container.put",
  container: { id: "later", name: "later", state: "running", endpoints: [], labels: {} },
};
const port = (published: number, target = 80, mode: Port["mode"] = "ingress"): Port => ({
  protocol: "tcp",
  target,
  published,
  mode,
});

const N = network("n", subnet("10.0.1.0/24"));
const MESH = network("mesh", { ...subnet("10.0.9.0/24"), ingress: true });
const started = (...changes: Change[]): Registry => {
  const r = new Registry();
  r.apply([N, ...changes]);
  return r;
};
const vip = (r: Registry, id: string) => r.state.services.get(id)?.networks[0]?.vip4;
const ip = (r: Registry, id: string) =>
  (r.state.tasks.get(id) ?? r.state.containers.get(id))?.endpoints.map((e) => e.ip4).join();
const ports = (r: Registry, id: string) => r.state.services.get(id)?.ports.map((p) => p.published);

describe("what a batch asks for by name is given to nobody else in it (swarmkit #2871: restore before allocating)", () => {
  test("addresses", () => {
    const r = started(service("a"), container("c"), container("d", "10.0.1.2"), container("e", "10.0.1.3"));
    expect([vip(r, "a"), ip(r, "c"), ip(r, "d"), ip(r, "e")]).toEqual(["10.0.1.4", "10.0.1.5", "10.0.1.2", "10.0.1.3"]);
  });

  const six = network("six", subnet("fd00::/64"));
  const onSix = (id: string, ip6?: string): Change => ({
    kind: "container.put",
    container: {
      id,
      name: id,
      state: "running",
      labels: {},
      endpoints: on("six").map((e) => ({ ...e, ...(ip6 && { ip6 }) })),
    },
  });
  const vips = (network: string, more: object = {}) => ({ networks: [{ network, aliases: [], ...more }] });
  test.each<[string, Change[], (r: Registry) => unknown, string]>([
    ["a VIP", [service("a"), service("b", vips("n", { vip4: "10.0.1.2" }))], (r) => vip(r, "a"), "10.0.1.3"],
    [
      "a VIP of IPv6",
      [six, service("a", vips("six")), service("b", vips("six", { vip6: "fd00::2" }))],
      (r) => r.state.services.get("a")?.networks[0]?.vip6,
      "fd00::3",
    ],
    [
      "a VIP on the mesh",
      [
        MESH,
        service("a", { ports: [port(80)] }),
        service("b", { ports: [port(81)], mesh: { network: "mesh", vip4: "10.0.9.2" } }),
      ],
      (r) => r.state.services.get("a")?.mesh?.vip4,
      "10.0.9.3",
    ],
    [
      "an address of IPv6, however it is written",
      [six, onSix("a"), onSix("b", "FD00:0::2")],
      (r) => r.state.containers.get("a")?.endpoints[0]?.ip6,
      "fd00::3",
    ],
    [
      "a task's address",
      [
        service("a"),
        task("t", "a", ["n"]),
        task("u", "a", ["n"], { endpoints: [{ ...on("n")[0]!, ip4: "10.0.1.3" }] }),
      ],
      (r) => ip(r, "t"),
      "10.0.1.4",
    ],
    [
      "an address on another network is no obstacle",
      [
        six,
        MESH,
        service("a"),
        container("c"),
        service("b", { ports: [port(80)], mesh: { network: "mesh", vip4: "10.0.9.2" } }),
      ],
      (r) => ip(r, "c"),
      "10.0.1.3",
    ],
  ])("%s", (_, batch, found, expected) => {
    expect(found(started(...batch))).toBe(expected);
  });

  test("in patches, too", () => {
    const r = started(service("a"), service("b"), network("free"));
    r.apply([
      service("a", { ports: [port(0)] }),
      network("other"),
      { kind: "service.patch", id: "b", patch: { ports: [{ target: 80, published: 30000 }] } },
      { kind: "network.patch", id: "free", patch: { subnets: [{ cidr: "10.0.2.0/24" }] } },
    ]);
    expect([ports(r, "a"), ports(r, "b")]).toEqual([[30001], [30000]]);
    expect(["free", "other"].map((id) => r.state.networks.get(id)?.subnets[0]?.cidr)).toEqual([
      "10.0.2.0/24",
      "10.0.3.0/24",
    ]);
  });

  test("ports, of other services and of one's own", () => {
    const r = started(service("a", { ports: [port(0), port(30001, 81)] }), service("b", { ports: [port(30000)] }));
    expect([ports(r, "a"), ports(r, "b")]).toEqual([[30002, 30001], [30000]]);
  });

  test("subnets", () => {
    const r = new Registry();
    r.apply([network("a"), network("b", subnet("10.0.0.0/24"))]);
    expect(r.state.networks.get("a")?.subnets).toEqual([{ cidr: "10.0.1.0/24", gateway: "10.0.1.1" }]);
  });
});

describe("a refused batch moves no cursor: the next one gets what it would have got", () => {
  test.each<[string, Change[]]>([
    ["VIP", [service("x"), service("bad name")]],
    ["address", [container("x"), container("y", "10.9.9.9")]],
    ["port", [service("x", { ports: [port(0)] }), service("bad name")]],
    [
      "the pools of a network that is put again",
      [network("n", subnet("10.0.5.0/24")), container("x"), service("bad name")],
    ],
  ])("%s", (_, batch) => {
    const r = started();
    expect(() => r.apply(batch)).toThrow();
    r.apply([service("a", { ports: [port(0)] }), container("c")]);
    expect([vip(r, "a"), ip(r, "c"), ports(r, "a"), r.revision]).toEqual(["10.0.1.2", "10.0.1.3", [30000], 2]);
  });
});

describe("ports", () => {
  test("new numbers keep clear of kept ones, wherever the search is", () => {
    const r = started(service("a", { ports: [port(0, 80)] }));
    r.apply([service("b", { ports: Array.from({ length: 2767 }, (_, i) => port(0, i + 1)) })]);
    r.apply([{ kind: "service.remove", id: "b" }]); // the search is back at 30000
    r.apply([service("a", { ports: [port(0, 81), port(0, 80)] })]);
    expect(ports(r, "a")).toEqual([30001, 30000]);
  });

  test("ports are published later: tasks that are there get their addresses on the mesh", () => {
    const r = started(MESH, service("a"), task("t", "a", ["n"]));
    r.apply([service("a", { ports: [port(80)] })]);
    expect(r.state.tasks.get("t")?.endpoints.map((e) => [e.network, e.ip4])).toEqual([
      ["n", expect.any(String)],
      ["mesh", "10.0.9.3"],
    ]);
  });

  test("a port in host mode without a number gets one, and keeps it", () => {
    const r = started(service("a", { ports: [port(0, 80, "host")] }));
    expect(ports(r, "a")).toEqual([30000]);
    r.apply([service("a", { ports: [port(90), port(0, 80, "host")] })]);
    expect(ports(r, "a")).toEqual([90, 30000]);
  });

  test("a removed service's ports and host ports are free", () => {
    const r = started(service("a", { ports: [port(80), port(81, 81, "host")] }));
    r.apply([{ kind: "service.remove", id: "a" }]);
    r.apply([service("b", { ports: [port(80), port(81)] })]);
    expect(ports(r, "b")).toEqual([80, 81]);
  });
});

describe("networks", () => {
  test.each<[string, Change[], Change[], string]>([
    [
      "the mesh is used by tasks, too",
      [MESH, service("a"), task("t", "a", ["n", "mesh"])],
      [{ kind: "network.remove", id: "mesh" }],
      "network mesh can't be removed while it is in use by task a.1",
    ],
    [
      "a dnsrr service without tasks has no address, and is a user",
      [service("a", { mode: "dnsrr" })],
      [{ kind: "network.remove", id: "n" }],
      "in use by service a",
    ],
    [
      "a used network stays where it is",
      [container("c")],
      [network("n", subnet("10.0.5.0/24"))],
      "in use by container c",
    ],
    [
      "a used network does not become the mesh",
      [container("c")],
      [network("n", { ...subnet("10.0.1.0/24"), ingress: true })],
      "the role (ingress or not) of network n can't change while it is in use by container c",
    ],
    [
      "gateway outside",
      [],
      [network("x", subnet("10.7.0.0/24", "10.8.0.1"))],
      "gateway 10.8.0.1 is outside 10.7.0.0/24",
    ],
    ["gateway nowhere", [], [network("x", subnet("10.7.0.0/24", "10.7.0.255"))], "network or broadcast address"],
    ["no subnet", [], [network("x", subnet("10.7.0.1/24"))], '"10.7.0.1/24" is no subnet'],
    [
      "upstream",
      [],
      [network("x", { upstreams: [{ address: "dns.example", port: 53 }] })],
      'upstream "dns.example" is no IP address',
    ],
    [
      "own subnets",
      [],
      [network("x", { subnets: [{ cidr: "10.7.0.0/24" }, { cidr: "10.7.0.0/25" }] })],
      "overlaps network x",
    ],
  ])("%s", (_, before, batch, message) => {
    const r = started(...before);
    expect(() => r.apply(batch)).toThrow(message);
  });

  test("a new name is told in errors from then on; a gateway left out stays", () => {
    const r = started(network("g", subnet("10.7.0.0/24", "10.7.0.254")), container("c", "10.0.1.9"));
    r.apply([network("n", { ...subnet("10.0.1.0/24"), name: "renamed" }), network("g", subnet("10.7.0.0/24"))]);
    expect(r.state.networks.get("g")?.subnets[0]?.gateway).toBe("10.7.0.254");
    expect(() => r.apply([container("d", "10.0.1.9")])).toThrow(
      "container d: 10.0.1.9 is already used by container c on network renamed",
    );
    expect(() => r.apply([container("d", "10.0.1.1")])).toThrow("already used by the gateway on network renamed");
  });

  test("a default subnet keeps clear of every given one, and is free again after removal", () => {
    const r = new Registry();
    r.apply([network("a", subnet("10.0.0.0/22")), network("b", subnet("10.0.4.128/25")), network("c"), network("d")]);
    expect([r.state.networks.get("c"), r.state.networks.get("d")].map((x) => x?.subnets[0]?.cidr)).toEqual([
      "10.0.5.0/24",
      "10.0.6.0/24",
    ]);
    r.apply([{ kind: "network.remove", id: "c" }]);
    r.apply([network("e")]);
    expect(r.state.networks.get("e")?.subnets[0]?.cidr).toBe("10.0.5.0/24");
    expect(() => new Registry().apply([network("a", subnet("8.0.0.0/6")), network("b")])).toThrow(
      "no free /24 is left",
    );
  });

  test("IPv6 pools are counted, not listed", () => {
    const r = new Registry();
    r.apply([network("n", { subnets: [{ cidr: "fd00::/64" }, { cidr: "10.0.1.0/30" }] }), container("c")]);
    expect(r.state.containers.get("c")?.endpoints).toMatchObject([{ ip6: "fd00::2", ip4: "10.0.1.2" }]);
    expect(() => r.apply([container("d")])).toThrow("could not find an available IP (network n, IPv4)");
  });
});

describe("services and containers", () => {
  test("renaming is followed at once, and names may be had again (moby #42351)", () => {
    const r = started(service("a"), task("t", "a", ["n"]), container("c", undefined, "old"));
    r.apply([service("a", { name: "b" }), container("c", undefined, "new")]);
    r.apply([service("x", { name: "A" }), container("d", undefined, "OLD")]);
    expect([vip(r, "a"), r.state.services.get("a")?.name]).toEqual(["10.0.1.2", "b"]);
    expect(() => r.apply([service("y", { name: "B" })])).toThrow("there is a service of this name on network n (a)");
    expect(() => r.apply([container("e", undefined, "NEW")])).toThrow("there is a container of this name (c)");
    expect(() => r.apply([container("e", "10.0.1.3")])).toThrow("already used by task b.1 on network n");
  });

  test("one name on two networks is two services", () => {
    const r = started(network("m"), service("a"));
    r.apply([service("b", { name: "a", networks: [{ network: "m", aliases: [] }] })]);
    expect(() => r.apply([service("b", { name: "a" })])).toThrow("there is a service of this name");
  });

  test("a hostile name is refused in no time", () => {
    const r = started();
    const begin = performance.now();
    expect(() => r.apply([service(`${"a".repeat(62)}!`)])).toThrow("name must be valid as a DNS name component");
    expect(performance.now() - begin).toBeLessThan(100);
  });

  test.each([
    ["a", true],
    ["A-1_b", true],
    ["a".repeat(63), true],
    ["a".repeat(64), false],
    ["-a", false],
    ["a_", false],
    ["a.b", false],
    ["", false],
  ])("service name %s: %s", (name, good) => {
    const put = () => started(service("s", { name }));
    if (good) put();
    else expect(put).toThrow(/name must be (valid as a DNS name component|63 characters or fewer)/);
  });

  test("a task that moves to another service leaves nothing behind", () => {
    const r = started(service("a"), service("b"), task("t", "a", ["n"]));
    r.apply([task("t", "b", ["n"])]);
    expect(r.state.tasksOf).toEqual(new Map([["b", new Set(["t"])]]));
  });
});

describe("a task's life (docker-semantics 4.5, defects 20-26): the state is what was put last, whatever came before", () => {
  const states: Task["state"][] = ["starting", "running", "draining", "running", "paused", "stopped"];

  test("every transition keeps the address and touches this task only; the same again touches nothing", () => {
    const r = started(service("a"), task("other", "a", ["n"]), task("t", "a", ["n"]));
    const touched: string[] = [];
    r.on("change", (c) => touched.push([...c.touched.tasks, ...c.touched.services].join()));
    for (const state of states) {
      const revision = r.apply([task("t", "a", ["n"], { state })]);
      expect(r.apply([task("t", "a", ["n"], { state })])).toBe(revision);
      expect([r.state.tasks.get("t")?.state, ip(r, "t"), vip(r, "a")]).toEqual([state, "10.0.1.4", "10.0.1.2"]);
    }
    expect(new Set(touched)).toEqual(new Set(["t"]));
  });

  test("enabled to gone to enabled: a new address, the old one rests", () => {
    const r = started(service("a"), task("t", "a", ["n"]));
    r.apply([{ kind: "task.remove", id: "t" }]);
    expect(r.apply([{ kind: "task.remove", id: "t" }])).toBe(2);
    r.apply([task("t", "a", ["n"])]);
    expect(ip(r, "t")).toBe("10.0.1.4");
  });

  test("aliases changed by an update are what the service has (43528, 44009)", () => {
    const r = started(service("a", { networks: [{ network: "n", aliases: ["old"] }] }), task("t", "a", ["n"]));
    r.apply([service("a", { networks: [{ network: "n", aliases: ["new"] }] })]);
    expect(r.state.services.get("a")?.networks).toEqual([{ network: "n", aliases: ["new"], vip4: "10.0.1.2" }]);
  });

  test("vip to dnsrr and back under live tasks: no VIP stays, a new one comes at once (36988, 38575)", () => {
    const r = started(service("a"), task("t", "a", ["n"]));
    r.apply([service("a", { mode: "dnsrr" })]);
    expect(r.state.services.get("a")?.networks).toEqual([{ network: "n", aliases: [] }]);
    r.apply([service("a")]);
    expect(vip(r, "a")).toBe("10.0.1.4");
  });
});

describe("sandboxes", () => {
  const at = (address: string, source?: string[]) => [{ address, port: 53, ...(source ? { source } : {}) }];
  test.each<[string, Change[], string | undefined]>([
    ["before its container in the batch", [sandbox("a", at("127.0.0.11"))], undefined],
    [
      "same address",
      [sandbox("a", at("10.0.0.1")), sandbox("b", at("10.0.0.1"))],
      "sandbox a listens on 10.0.0.1 port 53",
    ],
    [
      "same address, written otherwise",
      [sandbox("a", at("fd00::1")), sandbox("b", at("FD00:0::1"))],
      "sandbox a listens",
    ],
    [
      "told apart by source",
      [sandbox("a", at("10.0.0.1", ["10.1.0.1"])), sandbox("b", at("10.0.0.1", ["10.1.0.2"]))],
      undefined,
    ],
    ["one for the rest", [sandbox("a", at("10.0.0.1", ["10.1.0.1"])), sandbox("b", at("10.0.0.1"))], undefined],
    [
      "same source among others",
      [
        sandbox("a", [...at("10.0.0.1", ["10.1.0.1"]), ...at("10.0.0.1", ["10.1.0.2"])]),
        sandbox("b", at("10.0.0.1", ["10.1.0.1"])),
      ],
      "sandbox a listens on 10.0.0.1 port 53 for the same source (10.1.0.1)",
    ],
    [
      "any free port",
      [sandbox("a", [{ address: "::1", port: 0 }]), sandbox("b", [{ address: "::1", port: 0 }])],
      undefined,
    ],
    ["no address", [sandbox("a", at("localhost"))], 'listen address "localhost" is no IP address'],
    [
      "no port",
      [sandbox("a", [{ address: "::1", port: 65536 }])],
      "sandbox.listen[0].port must be at most 65535, not 65536",
    ],
    ["no source", [sandbox("a", at("::1", ["10.0.0.1/24"]))], 'source "10.0.0.1/24" is no IP address and no range'],
    ["no upstream", [sandbox("a", [], { upstreams: [{ address: "x", port: 53 }] })], 'upstream "x" is no IP address'],
    ["no namespace, but a file", [sandbox("a", [], { resolvConf: "/x" })], "resolvConf needs a netns"],
    [
      "a file with links behind it, of a container",
      [sandbox("a", [], { netns: "a", resolvConf: { root: "/run/links", path: "etc/resolv.conf" } })],
      undefined,
    ],
    ["a file nowhere", [sandbox("a", [], { netns: "a", resolvConf: "x" })], 'resolvConf "x" is not absolute'],
    [
      "a file in a root nowhere",
      [sandbox("a", [], { netns: "a", resolvConf: { root: "x", path: "y" } })],
      'root "x" is not absolute',
    ],
    ...["../x", "/x", "x/", "", "./x"].map((path): [string, Change[], string] => [
      `a detour: "${path}"`,
      [sandbox("a", [], { netns: "a", resolvConf: { root: "/", path } })],
      `resolvConf: "${path}" must be names with one "/" between them`,
    ]),
    ["a file with two lines", [sandbox("a", [], { netns: "a", resolvConf: "/x\ny" })], "has control characters in it"],
    [
      "upstream port",
      [sandbox("a", [], { upstreams: [{ address: "::1", port: 0 }] })],
      "sandbox.upstreams[0].port must be at least 1, not 0",
    ],
  ])("%s", (_, batch, message) => {
    const r = new Registry();
    const whole = [...batch, LATER];
    if (message === undefined) expect(r.apply(whole)).toBe(1);
    else expect(() => r.apply(whole)).toThrow(message);
  });

  test.each<[string, Change[], string | undefined]>([
    ["to nobody", [sandbox("a", [])], 'sandbox a: there is no container "later"; put it before, or in the same batch'],
    ["to a task of that name", [sandbox("a", [], { member: { kind: "task", id: "later" } }), LATER], 'no task "later"'],
    [
      "to somebody who went in the batch",
      [LATER, sandbox("a", []), { kind: "container.remove", id: "later" }],
      "no container",
    ],
    ["and went in the batch", [sandbox("a", []), { kind: "sandbox.remove", id: "a" }], undefined],
  ])("a sandbox that comes %s", (_, batch, message) => {
    const r = new Registry();
    if (message === undefined) return void r.apply(batch);
    expect(() => r.apply([N, ...batch])).toThrow(
      expect.objectContaining({ message: expect.stringContaining(message), path: "sandbox.member.id" }),
    );
    expect([r.state.networks.size, r.state.sandboxes.size]).toEqual([0, 0]);
  });

  test("it may outlive its member, be changed without, and come back from a store; not move to nobody", () => {
    const r = new Registry();
    r.apply([sandbox("a", []), LATER]);
    r.apply([{ kind: "container.remove", id: "later" }]);
    r.apply([sandbox("a", [], { ndots: 0 })]);
    expect(() => r.apply([sandbox("a", [], { member: { kind: "container", id: "nobody" } })])).toThrow('"nobody"');
    const again = new Registry();
    again.restore([sandbox("a", [], { ndots: 0 })]);
    expect(again.state.sandboxes).toEqual(r.state.sandboxes);
  });

  test("what a sandbox listened on is free when it moves or goes", () => {
    const r = new Registry();
    r.apply([sandbox("a", at("10.0.0.1")), LATER]);
    r.apply([sandbox("a", at("10.0.0.2")), sandbox("b", at("10.0.0.1"))]);
    r.apply([{ kind: "sandbox.remove", id: "a" }, sandbox("c", at("10.0.0.2"))]);
    expect([...r.state.sandboxes.keys()]).toEqual(["b", "c"]);
  });
});

test("apply returns the revision of its own batch, whatever a listener applies", () => {
  const r = new Registry();
  r.once("change", () => void r.apply([container("c")]));
  expect([r.apply([N]), r.revision]).toEqual([1, 2]);
});
