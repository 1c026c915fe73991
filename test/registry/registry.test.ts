import { describe, expect, test } from "vitest";
import type { ChangeInput } from "../../src/model/input.ts";
import type { Change, Port, Service } from "../../src/model/types.ts";
import { RegistryError } from "../../src/registry/error.ts";
import { Registry } from "../../src/registry/registry.ts";
import { changes } from "../support/world.ts";

const NET = "network n overlay 10.0.1.0/24\n";

function filled(...batches: string[]): Registry {
  const registry = new Registry();
  for (const batch of batches) registry.apply(changes(batch));
  return registry;
}

const vip = (r: Registry, service = "web") =>
  r.state.services
    .get(service)
    ?.networks.map((n) => [n.vip4, n.vip6].filter(Boolean).join(" "))
    .join();
const ip = (r: Registry, name: string) => {
  const found = r.state.containers.get(name) ?? r.state.tasks.get(`${name.replace(".", "-")}-id`);
  return found?.endpoints.map((e) => [e.ip4, e.ip6].filter(Boolean).join(" ")).join();
};

describe("allocation", () => {
  test("addresses are handed out in turn, behind the gateway, VIPs and endpoints from one pool", () => {
    const r = filled(`${NET} service web on n\n task web.1 on n\n container c on n`);
    expect([r.state.networks.get("n")?.subnets[0]?.gateway, vip(r), ip(r, "web.1"), ip(r, "c")]).toEqual([
      "10.0.1.1",
      "10.0.1.2",
      "10.0.1.3",
      "10.0.1.4",
    ]);
  });

  test("one of each family that the network has", () => {
    const r = filled(
      "network n overlay 10.0.1.0/24 fd00::/64\n network six overlay fd01::/64\n service web on n on six\n container c on six",
    );
    expect([vip(r), ip(r, "c")]).toEqual(["10.0.1.2 fd00::2,fd01::2", "fd01::3"]);
  });

  test("a network without a subnet gets the next /24 of 10.0.0.0/8", () => {
    const r = filled("network a overlay 10.0.0.0/23\n network b overlay\n network c overlay");
    expect(["b", "c"].map((n) => r.state.networks.get(n)?.subnets[0]?.cidr)).toEqual(["10.0.2.0/24", "10.0.3.0/24"]);
  });

  test("a VIP stays through scaling, updates and zero tasks", () => {
    const r = filled(`${NET} service web on n\n task web.1 on n`, "service web on n alias=www", "task web.2 on n");
    r.apply([
      { kind: "task.remove", id: "web-1-id" },
      { kind: "task.remove", id: "web-2-id" },
    ]);
    expect(vip(r)).toBe("10.0.1.2");
  });

  test("an address rests before it is used again", () => {
    const r = filled(`${NET} container a on n`);
    r.apply([{ kind: "container.remove", id: "a" }]);
    r.apply(changes("container b on n"));
    expect(ip(r, "b")).toBe("10.0.1.3");
  });

  test("an object put again keeps its addresses, and may swap them for given ones", () => {
    const r = filled(
      `${NET} container a on n`,
      "container a on n alias=x",
      "container a on n ip=10.0.1.77",
      "container a on n",
    );
    expect(ip(r, "a")).toBe("10.0.1.77");
  });

  test("vip to dnsrr gives the VIP back, dnsrr to vip takes one (moby #36988, #38575)", () => {
    const r = filled(`${NET} service web on n`, "service web dnsrr on n");
    expect(vip(r)).toBe("");
    r.apply(changes("container c on n ip=10.0.1.2"));
    r.apply(changes("service web on n"));
    expect(vip(r)).toBe("10.0.1.3");
  });

  test("a full network says so, and a freed address helps", () => {
    const r = filled(
      "network n overlay 10.0.1.0/29\n container a on n\n container b on n\n container c on n\n container d on n\n container e on n",
    );
    expect(() => r.apply(changes("container f on n"))).toThrow("could not find an available IP (network n, IPv4)");
    expect(() => r.apply(changes("service web on n"))).toThrow(
      "could not find an available IP while allocating VIP (network n, IPv4)",
    );
    r.apply([{ kind: "container.remove", id: "c" }]);
    r.apply(changes("container f on n"));
    expect(ip(r, "f")).toBe("10.0.1.4");
  });
});

describe("published ports", () => {
  const service = (name: string, ports: Partial<Port>[], mode: Service["mode"] = "vip"): Change => ({
    kind: "service.put",
    service: {
      id: name,
      name,
      mode,
      publish: "healthy",
      labels: {},
      networks: [{ network: "n", aliases: [] }],
      ports: ports.map((p) => ({ target: 80, protocol: "tcp", mode: "ingress", ...p })),
    },
  });
  const published = (r: Registry, name: string) => r.state.services.get(name)?.ports.map((p) => p.published);
  const start = () => filled(NET);

  test("0 is the next of 30000-32767, each protocol by itself", () => {
    const r = start();
    r.apply([service("a", [{ published: 0 }, { published: 0, target: 81 }, { published: 0, protocol: "udp" }])]);
    expect(published(r, "a")).toEqual([30000, 30001, 30000]);
  });

  test("an allocated port stays through updates, in whatever order the ports come", () => {
    const r = start();
    r.apply([service("a", [{ published: 0 }, { published: 0, target: 81 }])]);
    r.apply([service("a", [{ published: 0, target: 81 }, { published: 0 }, { published: 0, target: 82 }])]);
    expect(published(r, "a")).toEqual([30001, 30000, 30002]);
  });

  test.each(["ingress", "host"] as const)(
    "an allocated %s port stays beside one of the same target that is numbered",
    (mode) => {
      const r = start();
      const ports = [
        { mode, published: 8080 },
        { mode, published: 0 },
      ];
      r.apply([service("a", ports)]);
      expect(published(r, "a")).toEqual([8080, 30000]);
      expect([r.apply([service("a", ports)]), published(r, "a")]).toEqual([r.revision, [8080, 30000]]);
      expect(r.revision).toBe(2);
    },
  );

  test("a removed service's port is free again", () => {
    const r = start();
    r.apply([service("a", [{ published: 80 }])]);
    r.apply([{ kind: "service.remove", id: "a" }]);
    r.apply([service("b", [{ published: 80 }])]);
    expect(published(r, "b")).toEqual([80]);
  });

  test("all 2768 dynamic ports, and no more", () => {
    const r = start();
    r.apply([
      service(
        "a",
        Array.from({ length: 2768 }, (_, i) => ({ published: 0, target: i + 1 })),
      ),
    ]);
    expect(new Set(published(r, "a")).size).toBe(2768);
    expect(() => r.apply([service("b", [{ published: 0 }])])).toThrow("no bit available");
  });

  test.each<[string, Change[], string | undefined]>([
    [
      "mesh against mesh",
      [service("a", [{ published: 80 }]), service("b", [{ published: 80 }])],
      "port '80' is already in use by service 'a' (a) as an ingress port",
    ],
    [
      "mesh against host",
      [service("a", [{ published: 80, mode: "host" }]), service("b", [{ published: 80 }])],
      "port '80' is already in use by service 'a' (a) as a host-published port",
    ],
    [
      "host against mesh",
      [service("a", [{ published: 80 }]), service("b", [{ published: 80, mode: "host" }])],
      "port '80' is already in use by service 'a' (a) as an ingress port",
    ],
    [
      "host against host",
      [service("a", [{ published: 80, mode: "host" }]), service("b", [{ published: 80, mode: "host" }])],
      undefined,
    ],
    [
      "another protocol",
      [service("a", [{ published: 80 }]), service("b", [{ published: 80, protocol: "udp" }])],
      undefined,
    ],
    [
      "twice in one service",
      [service("a", [{ published: 80 }, { published: 80, target: 81 }])],
      "EndpointSpec: duplicate published ports provided",
    ],
    [
      "dnsrr in the mesh",
      [service("a", [{ published: 80 }], "dnsrr")],
      "EndpointSpec: port published with ingress mode can't be used with dnsrr mode",
    ],
    ["dnsrr on the host", [service("a", [{ published: 80, mode: "host" }], "dnsrr")], undefined],
    ["target 0", [service("a", [{ target: 0 }])], "service.ports[0].target must be at least 1, not 0"],
  ])("%s", (_, batch, message) => {
    const r = start();
    if (message === undefined) expect(r.apply(batch)).toBe(2);
    else expect(() => r.apply(batch)).toThrow(message);
  });
});

describe("refused, and nothing of the batch has happened", () => {
  const BASE = `${NET} network other overlay 10.0.2.0/24\n network mesh overlay ingress 10.0.9.0/24\n service web on n\n task web.1 on n\n container c on n ip=10.0.1.50`;
  test.each([
    [
      "network of the same name",
      "network N2 overlay 10.3.0.0/24\n network n2 overlay 10.4.0.0/24",
      "there is a network of this name",
    ],
    ["overlapping networks", "network x overlay 10.0.0.0/16", "subnet 10.0.0.0/16 overlaps network n (10.0.1.0/24)"],
    ["second ingress network", "network x overlay ingress 10.7.0.0/24", "ingress network (mesh) is already present"],
    [
      "service of the same name on a network",
      "service x on other\n service WEB on n",
      "there is a service of this name on network n (web)",
    ],
    [
      "service on the ingress network",
      "service x on mesh",
      'Service cannot be explicitly attached to the ingress network "mesh"',
    ],
    ["service name", "service -x on n", "name must be valid as a DNS name component"],
    ["long service name", `service ${"x".repeat(64)} on n`, "name must be 63 characters or fewer"],
    ["bad alias", "service x on n alias=a\x1bb", 'name "a\\u001bb" has control characters'],
    ["task of no service", "task x.1 on n", 'there is no service "x"'],
    ["task on a network its service is not on", "task web.2 on other", "service web is not on network other"],
    ["container on no network", "container x on nowhere", 'there is no network "nowhere"'],
    ["container on a network twice", "container x on n on n", "is on network n twice"],
    ["address in use", "container x on n ip=10.0.1.50", "10.0.1.50 is already used by container c on network n"],
    ["address outside", "container x on n ip=10.9.9.9", "10.9.9.9 is outside the subnets of network n (10.0.1.0/24)"],
    ["broadcast address", "container x on n ip=10.0.1.255", "is the network or broadcast address of 10.0.1.0/24"],
    ["VIP of a dnsrr service", "service x dnsrr on n vip=10.0.1.9", "a dnsrr service has no VIP"],
    ["service leaving its tasks' network", "service web on other", "service web can't leave network n"],
  ])("%s", (_, text, message) => {
    const r = filled(BASE);
    const before = JSON.stringify([...r.state.services, ...r.state.tasks, ...r.state.containers, ...r.state.networks]);
    const batch = changes(`container fine on n\n service fine2 on n\n${text}`);
    expect(() => r.apply(batch)).toThrow(message);
    expect(JSON.stringify([...r.state.services, ...r.state.tasks, ...r.state.containers, ...r.state.networks])).toBe(
      before,
    );
    expect(r.revision).toBe(1);
  });

  test("the error says which change, and its kind", () => {
    const r = filled(BASE);
    try {
      r.apply(changes("container x on n\n container y on nowhere"));
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(RegistryError);
      expect(error).toMatchObject({ index: 1, op: "container.put", code: "unknown" });
    }
  });

  test.each<[string, number | undefined, unknown]>([
    [
      "a getter that throws",
      1,
      [
        ...changes(NET),
        {
          get kind() {
            throw new Error("boom");
          },
        },
      ],
    ],
    [
      "one further inside",
      0,
      [
        {
          kind: "container.put",
          container: {
            name: "c",
            labels: {
              get a() {
                throw new Error("boom");
              },
            },
          },
        },
      ],
    ],
    ["a proxy that was revoked", 0, [revoked({})]],
    ["a list that was revoked", undefined, revoked([])],
    [
      "a length that throws",
      undefined,
      new Proxy([], {
        get: () => {
          throw new Error("boom");
        },
      }),
    ],
  ])("what can't even be read is refused like anything else: %s", (_, index, batch) => {
    const r = new Registry();
    const refused = expect.objectContaining({ name: "RegistryError", code: "invalid", index });
    expect(() => r.apply(batch as [])).toThrow(refused);
    expect([r.revision, r.state.networks.size]).toEqual([0, 0]);
  });

  test.each<[string, unknown]>([
    ["labels", { kind: "container.put", container: { name: "c", labels: new Map([["a", "b"]]) } }],
    ["labels", { kind: "container.put", container: { name: "c", labels: new Date() } }],
    ["patch", { kind: "container.patch", id: "c", patch: new Map([["state", "stopped"]]) }],
    ["patch", { kind: "container.patch", id: "c", patch: new Date() }],
  ])("%s in what only looks like an object is refused, not taken for nothing", (place, change) => {
    const r = filled(`${NET}\n container c on n`);
    expect(() => r.apply([change as never])).toThrow(/(labels|patch) must be an object, not a (Map|Date)/);
    expect([r.revision, place]).toEqual([1, place]);
  });

  test("a network in use can't go, and says who is there", () => {
    const r = filled(BASE);
    expect(() => r.apply([{ kind: "network.remove", id: "n" }])).toThrow(
      "network n can't be removed while it is in use by service web, container c",
    );
  });
});

describe("revision and events", () => {
  test("one higher for each batch that changes something, and only then", () => {
    const r = filled(NET);
    expect(r.apply(changes(NET))).toBe(1);
    expect(r.apply([{ kind: "container.remove", id: "nobody" }])).toBe(1);
    expect(r.apply([])).toBe(1);
    expect(r.apply(changes("container c on n"))).toBe(2);
  });

  test("the event has what was touched, addresses filled in; a service takes its tasks along", () => {
    const r = filled(`${NET} service web on n\n task web.1 on n\n task web.2 on n`);
    const seen: unknown[] = [];
    r.on("change", ({ revision, touched, changes: done }) =>
      seen.push(revision, [...touched.services], [...touched.tasks], done),
    );
    r.apply([{ kind: "service.remove", id: "web" }]);
    expect(seen).toEqual([2, ["web"], ["web-1-id", "web-2-id"], [{ kind: "service.remove", id: "web" }]]);
    r.apply(changes("container c on n"));
    expect(seen[7]).toMatchObject([{ container: { endpoints: [{ ip4: "10.0.1.5" }] } }]);
  });

  test("a listener that applies more: the others hear of it in its turn", () => {
    const r = filled("");
    const heard: string[] = [];
    r.on("change", ({ revision }) => {
      if (revision < 3) heard.push(`applied ${r.apply(changes(`container c${revision} on n`))}`);
    });
    r.on("change", ({ revision }) => heard.push(`heard ${revision}`));
    r.apply(changes(NET));
    expect(heard).toEqual(["applied 2", "heard 1", "applied 3", "heard 2", "heard 3"]);
  });

  test.each<[string, ChangeInput[], string[]]>([
    ["is put", changes("task web.2 on n"), ["web"]],
    ["goes to another service", [{ kind: "task.patch", id: "web-1-id", patch: { service: "api" } }], ["api", "web"]],
    ["is removed", [{ kind: "task.remove", id: "web-1-id" }], ["web"]],
    ["goes with its service", [{ kind: "service.remove", id: "web" }], ["web"]],
    ["is none", changes("service web on n alias=www\n container c on n"), []],
  ])("the event has the services of tasks: one that %s", (_, given, expected) => {
    const r = filled(`${NET} service web on n\n service api on n\n task web.1 on n`);
    const seen: string[][] = [];
    r.on("change", ({ touched }) => seen.push([...touched.tasksOf].sort()));
    r.apply(given);
    expect(seen).toEqual([expected]);
  });

  test("waitFor", async () => {
    const r = filled(NET);
    await r.waitFor(1);
    const later = r.waitFor(3);
    r.apply(changes("container a on n"));
    r.apply(changes("container b on n"));
    await later;
    await expect(r.waitFor(9, AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
    expect(r.listenerCount("change")).toBe(0);
  });
});

function revoked<T extends object>(of: T): T {
  const { proxy, revoke } = Proxy.revocable(of, {});
  revoke();
  return proxy;
}
