/** Services and their tasks through changes: what they keep, what is given back, and who is told. */
import { getEventListeners } from "node:events";
import { describe, expect, test } from "vitest";
import type { ChangeInput, ServiceInput, TaskInput } from "../../src/model/input.ts";
import { Registry } from "../../src/registry/registry.ts";

const network = (name: string, cidr: string, ingress = false): ChangeInput => ({
  kind: "network.put",
  network: { name, ingress, subnets: [{ cidr }] },
});
const service = (id: string, more: Partial<ServiceInput> = {}): ChangeInput => ({
  kind: "service.put",
  service: { id, name: id, networks: [{ network: "n" }], ...more },
});
const task = (id: string, of: string, more: Partial<TaskInput> = {}): ChangeInput => ({
  kind: "task.put",
  task: { id, service: of, slot: 1, ...more },
});
const NETS = [network("n", "10.0.1.0/24"), network("six", "fd00::/64"), network("mesh", "10.0.9.0/24", true)];
const PUBLISHED = { ports: [{ target: 80, published: 80 }] };

const started = (...changes: ChangeInput[]): Registry => {
  const r = new Registry();
  r.apply([...NETS, ...changes]);
  return r;
};
/** All networks and services, as a store has them. */
const puts = (r: Registry): ChangeInput[] => [
  ...[...r.state.networks.values()].map((network): ChangeInput => ({ kind: "network.put", network })),
  ...[...r.state.services.values()].map((service): ChangeInput => ({ kind: "service.put", service })),
];
const endpoints = (r: Registry, id: string) =>
  r.state.tasks.get(id)?.endpoints.map((e) => `${e.network} ${e.ip4} ${e.aliases.join()}`.trim());

describe("ports", () => {
  const ports = (r: Registry, id = "a") => r.state.services.get(id)?.ports.map((p) => `${p.published}:${p.target}`);

  test("a range is as many ports, each of which is one's own", () => {
    const r = started(service("a", { ports: [{ target: "80-82", published: "8080-8082" }] }));
    expect(ports(r)).toEqual(["8080:80", "8081:81", "8082:82"]);
    expect(() => r.apply([service("b", { ports: [{ target: 1, published: 8081 }] })])).toThrow(
      "port '8081' is already in use by service 'a' (a) as an ingress port",
    );
    r.apply([{ kind: "service.patch", id: "a", patch: { ports: [{ target: "80-81", published: "8080-8081" }] } }]);
    r.apply([service("b", { ports: [{ target: 1, published: 8082 }] })]);
    expect(ports(r)).toEqual(["8080:80", "8081:81"]);
  });

  test("numbers that a range asks for in a batch are nobody else's", () => {
    const dynamic = service("a", { ports: [{ target: 80, published: 0 }] });
    const asking = service("b", { ports: [{ target: "1-2", published: "30000-30001" }] });
    expect(ports(started(dynamic, asking))).toEqual(["30002:80"]);
  });

  test("ports share one list of sources, however often they are read again: a thousand ports may have a thousand each", () => {
    const sources = ["10.0.0.0/8", "FD00::0/8"];
    const r = started(
      service("a", {
        ports: [
          { target: "80-82", published: "80-82", sources },
          { target: 90, published: 90, sources: [...sources] },
          { target: 91, published: 91, sources: ["10.0.0.0/8"] },
        ],
      }),
    );
    const lists = (registry: Registry) => new Set(registry.state.services.get("a")?.ports.map((port) => port.sources));
    expect([...lists(r)]).toEqual([["10.0.0.0/8", "fd00::/8"], ["10.0.0.0/8"]]);
    r.apply([{ kind: "service.patch", id: "a", patch: { labels: { patched: "yes" } } }]);
    expect(lists(r).size).toBe(2);
    const again = new Registry();
    again.restore(JSON.parse(JSON.stringify(puts(r))));
    expect(lists(again).size).toBe(2);
  });

  test("sources are written as everyone writes them; equal ones are no change", () => {
    const from = (...sources: string[]) =>
      service("a", { vipPorts: "declared", ports: [{ target: "80-81", published: "80-81", sources }] });
    const r = started(from("FD00::0/8", "192.0.2.1"));
    const [first, second] = r.state.services.get("a")!.ports;
    expect(first!.sources).toEqual(["fd00::/8", "192.0.2.1"]);
    expect(second!.sources).toBe(first!.sources);
    const { revision } = r.state;
    r.apply([from("fd00::/8", "192.0.2.1")]);
    r.apply([{ kind: "service.patch", id: "a", patch: { vipPorts: "declared" } }]);
    expect(r.state.revision).toBe(revision);
    r.apply([{ kind: "service.patch", id: "a", patch: { vipPorts: null } }]);
    expect(r.state.services.get("a")!.vipPorts).toBeUndefined();
  });
});

describe("the mesh", () => {
  test.each<[string, Partial<ServiceInput>, string | undefined]>([
    ["a published port", PUBLISHED, "10.0.9.2"],
    ["one that gets its number", { ports: [{ target: 80, published: 0 }] }, "10.0.9.2"],
    ["one that is not published", { ports: [{ target: 80 }] }, undefined],
    ["one on the nodes", { ports: [{ target: 80, published: 80, mode: "host" }] }, undefined],
    ["no port", {}, undefined],
  ])("is for services with a port published there: %s", (_, more, expected) => {
    expect(started(service("a", more)).state.services.get("a")?.mesh?.vip4).toBe(expected);
  });

  test("a VIP there stays through updates, and is free when the service is published no more, or goes", () => {
    const r = started(service("a", PUBLISHED), service("b", { ports: [{ target: 80, published: 81 }] }));
    const mesh = (id: string) => r.state.services.get(id)?.mesh;
    r.apply([service("a", { ...PUBLISHED, labels: { a: "b" } })]);
    expect(mesh("a")).toEqual({ network: "mesh", vip4: "10.0.9.2" });
    r.apply([service("a")]);
    expect(mesh("a")).toBeUndefined();
    const asking = (vip4: string) =>
      service("c", { ports: [{ target: 1, published: 82 }], mesh: { network: "mesh", vip4 } });
    r.apply([asking("10.0.9.2")]);
    r.apply([{ kind: "service.remove", id: "b" }]);
    r.apply([asking("10.0.9.3")]);
    expect(mesh("c")?.vip4).toBe("10.0.9.3");
  });

  test("tasks are on it once, with what they were given there", () => {
    const r = started(service("a", PUBLISHED), task("t", "a"));
    expect(endpoints(r, "t")).toEqual(["n 10.0.1.3", "mesh 10.0.9.3"]);
    const mesh = { network: "mesh", ip4: "10.0.9.77", aliases: ["x"] };
    r.apply([task("t", "a", { endpoints: [{ network: "n" }, mesh] })]);
    expect(endpoints(r, "t")).toEqual(["n 10.0.1.3", "mesh 10.0.9.77 x"]);
    r.apply([task("t", "a", { endpoints: [{ network: "n" }] })]);
    expect(endpoints(r, "t")).toEqual(["n 10.0.1.3", "mesh 10.0.9.77 x"]);
    r.apply([service("a")]);
    expect(endpoints(r, "t")).toEqual(["n 10.0.1.3", "mesh 10.0.9.77 x"]); // it may still serve connections
  });
});

describe("what is given back", () => {
  test("both families' VIPs", () => {
    const six = { networks: [{ network: "six", vip6: "fd00::9" }] };
    const r = started(service("a", six));
    r.apply([{ kind: "service.remove", id: "a" }]);
    r.apply([service("b", six)]);
    expect(r.state.services.get("b")?.networks[0]?.vip6).toBe("fd00::9");
  });

  test("its name alone", () => {
    const r = started(service("a"), service("b"));
    r.apply([{ kind: "service.remove", id: "a" }]);
    expect(() => r.apply([service("c", { name: "B" })])).toThrow("there is a service of this name on network n (b)");
    r.apply([service("c", { name: "A" })]);
    expect(r.state.services.get("c")?.name).toBe("A");
  });

  test.each(["network", "service", "task", "container", "sandbox"] as const)("nothing, if there was no %s", (kind) => {
    const r = started();
    expect(r.apply([{ kind: `${kind}.remove`, id: "nobody" }])).toBe(1);
  });
});

test("a service without tasks has another name", () => {
  const r = started(service("a"));
  r.apply([service("a", { name: "shop" })]);
  expect(r.state.services.get("a")?.name).toBe("shop");
});

test("a task that is put again keeps its place among its service's", () => {
  const r = started(service("a"), task("t", "a"), task("u", "a", { slot: 2 }));
  r.apply([task("t", "a", { state: "draining" })]);
  expect([...r.state.tasksOf.get("a")!]).toEqual(["t", "u"]);
});

test("a node may be called anything where tasks are told apart by slot", () => {
  expect(started(service("a"), task("t", "a", { node: "a b" })).state.tasks.get("t")?.node).toBe("a b");
});

test.each<[string, ChangeInput, object]>([
  [
    "a name too long",
    service("x", { name: "x".repeat(64) }),
    { code: "invalid", path: "service.name", message: expect.stringContaining("63 characters or fewer") },
  ],
  [
    "a VIP of IPv6 outside",
    service("x", { networks: [{ network: "n" }, { network: "six", vip6: "fd01::9" }] }),
    { code: "invalid", path: "service.networks[1].vip6" },
  ],
])("refused: %s", (_, change, error) => {
  expect(() => started().apply([change])).toThrow(expect.objectContaining(error));
});

test("what a batch asks for is looked at, and not believed", () => {
  expect(() =>
    started().apply([{ kind: "network.put", network: { name: "free" } }, network("x", "10.7.0.1/24")]),
  ).toThrow(
    expect.objectContaining({ index: 1, message: 'network x: "10.7.0.1/24" is no subnet such as 10.0.1.0/24' }),
  );
});

test("a task's patch asks for its address by name", () => {
  const r = started(service("a"), task("t", "a"));
  r.apply([
    task("u", "a", { slot: 2 }),
    { kind: "task.patch", id: "t", patch: { endpoints: [{ network: "n", ip4: "10.0.1.4" }] } },
  ]);
  expect([endpoints(r, "t"), endpoints(r, "u")]).toEqual([["n 10.0.1.4"], ["n 10.0.1.5"]]);
});

describe("waiting for a revision", () => {
  const next = (r: Registry) => r.apply([service(`s${r.revision}`)]);

  test("not for one before it", async () => {
    const r = started();
    let reached = 0;
    const wait = r.waitFor(3).then(() => {
      reached = r.revision;
    });
    next(r);
    await Promise.resolve();
    next(r);
    next(r);
    await wait;
    expect(reached).toBe(4);
    expect(r.listenerCount("change")).toBe(0);
  });

  test("it is not reached at the one before", async () => {
    const r = started();
    let reached = false;
    void r.waitFor(3).then(() => {
      reached = true;
    });
    next(r);
    for (let i = 0; i < 5; i++) await Promise.resolve();
    expect(reached).toBe(false);
    next(r);
    for (let i = 0; i < 5; i++) await Promise.resolve();
    expect(reached).toBe(true);
  });

  test("or until the signal; either way nobody listens afterwards", async () => {
    const r = started();
    const [given, unused] = [new AbortController(), new AbortController()];
    const [aborted, done] = [r.waitFor(9, given.signal), r.waitFor(2, unused.signal)];
    expect([given, unused].map((c) => getEventListeners(c.signal, "abort").length)).toEqual([1, 1]);
    given.abort(new Error("enough"));
    await expect(aborted).rejects.toThrow("enough");
    next(r);
    await done;
    expect([given, unused].map((c) => getEventListeners(c.signal, "abort").length)).toEqual([0, 0]);
    expect(r.listenerCount("change")).toBe(0);
  });
});
