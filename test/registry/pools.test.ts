/** What is handed out: the addresses of a subnet, /24s for networks that name none, published ports. */
import { describe, expect, test } from "vitest";
import type { ChangeInput, ServiceInput } from "../../src/model/input.ts";
import { reduce } from "../../src/registry/reduce.ts";
import { Registry } from "../../src/registry/registry.ts";
import { State } from "../../src/registry/state.ts";

const network = (name: string, ...subnets: string[]): ChangeInput => ({
  kind: "network.put",
  network: { name, subnets: subnets.map((cidr) => ({ cidr })) },
});
const container = (name: string, ...ips: string[]): ChangeInput => ({
  kind: "container.put",
  container: {
    name,
    endpoints: [
      {
        network: "n",
        ...Object.fromEntries(ips.map((ip) => [ip.includes(":") ? "ip6" : "ip4", ip])),
      },
    ],
  },
});
const started = (...changes: ChangeInput[]): Registry => {
  const r = new Registry();
  r.apply(changes);
  return r;
};
const addresses = (r: Registry, name: string): string => {
  const [endpoint] = r.state.containers.get(name)?.endpoints ?? [];
  return [endpoint?.ip4, endpoint?.ip6].filter((ip) => ip !== undefined).join(" ");
};
/** What containers get one after the other, until there is no more. */
function all(r: Registry): string[] {
  const found: string[] = [];
  for (;;) {
    try {
      r.apply([container(`c${found.length}`)]);
    } catch (error) {
      return [...found, (error as Error).message];
    }
    found.push(addresses(r, `c${found.length}`));
  }
}
const full = (i: number, family: 4 | 6): string =>
  `container c${i}: could not find an available IP (network n, IPv${family})`;

describe("a subnet's addresses", () => {
  test.each<[string[], string, string[], 4 | 6]>([
    [["10.7.0.0/29"], "10.7.0.1", ["10.7.0.2", "10.7.0.3", "10.7.0.4", "10.7.0.5", "10.7.0.6"], 4],
    [["10.7.0.4/30"], "10.7.0.5", ["10.7.0.6"], 4],
    [["10.7.0.2/31"], "10.7.0.2", ["10.7.0.3"], 4], // RFC 3021
    [["10.7.0.0/32"], "10.7.0.0", [], 4],
    [["fd07::/126"], "fd07::1", ["fd07::2", "fd07::3"], 6],
    [["fd07::/127"], "fd07::", ["fd07::1"], 6],
    [["fd07::9/128"], "fd07::9", [], 6],
    [["10.7.0.0/30", "10.8.0.0/30"], "10.7.0.1", ["10.7.0.2", "10.8.0.2"], 4],
    [["10.7.0.0/30", "fd07::/127"], "10.7.0.1", ["10.7.0.2 fd07::1"], 4],
    [["10.7.0.0/29", "fd07::/127"], "10.7.0.1", ["10.7.0.2 fd07::1"], 6],
  ])("%j: gateway %s, then %j", (cidrs, gateway, expected, family) => {
    const r = started(network("n", ...cidrs));
    expect(r.state.networks.get("n")?.subnets[0]?.gateway).toBe(gateway);
    expect(all(r)).toEqual([...expected, full(expected.length, family)]);
  });

  test("more than an octet counts", () => {
    const r = started(network("n", "10.7.0.0/22"));
    r.apply(Array.from({ length: 600 }, (_, i) => container(`x${i}`)));
    expect([253, 254, 509, 510, 599].map((i) => addresses(r, `x${i}`))).toEqual([
      "10.7.0.255",
      "10.7.1.0",
      "10.7.1.255",
      "10.7.2.0",
      "10.7.2.89",
    ]);
  });

  test.each([
    ["10.7.0.0/30", "10.7.0.0", "container c: 10.7.0.0 is the network or broadcast address of 10.7.0.0/30"],
    ["10.7.0.0/30", "10.7.0.3", "container c: 10.7.0.3 is the network or broadcast address of 10.7.0.0/30"],
    ["10.7.0.0/30", "10.7.0.1", "container c: 10.7.0.1 is already used by the gateway on network n"],
    ["10.7.0.0/31", "10.7.0.1", undefined],
    ["fd07::/126", "fd07::", "container c: fd07:: is the network or broadcast address of fd07::/126"],
    ["fd07::/126", "fd07::3", undefined],
    ["fd07::/127", "fd07::1", undefined],
    ["fd07::/64", "fd07::100:0:0", undefined], // behind the last one that is handed out
    ["0.0.0.0/1", "127.255.255.255", "is the network or broadcast address of 0.0.0.0/1"],
    ["10.7.0.0/30", "10.7.0.256", 'container c: "10.7.0.256" is no IPv4 address'],
    ["fd07::/64", "fd07::g", 'container c: "fd07::g" is no IPv6 address'],
    ["10.7.0.0/30", "fd07::1", "container c: fd07::1 is outside the subnets of network n (10.7.0.0/30)"],
  ])("of %s one asks for %s: %s", (cidr, ip, message) => {
    const r = started(network("n", cidr));
    if (message !== undefined) return expect(() => r.apply([container("c", ip)])).toThrow(message);
    r.apply([container("c", ip)]);
    expect(addresses(r, "c")).toBe(ip);
  });

  test.each([
    ["outside", "invalid", container("d", "10.9.0.2")],
    [
      "of the other family",
      "invalid",
      { kind: "container.put", container: { name: "d", endpoints: [{ network: "n", ip4: "fd07::1" }] } },
    ],
    ["taken", "conflict", container("d", "10.7.0.2")],
    ["no more", "exhausted", container("d")],
  ] as [string, string, ChangeInput][])("an address that is %s: %s", (_, code, change) => {
    const r = started(network("n", "10.7.0.0/30"), container("c"));
    expect(() => r.apply([change])).toThrow(expect.objectContaining({ code }));
  });

  test("two subnets of a family: asked for in either, given back to its own", () => {
    const r = started(network("n", "10.7.0.0/30", "10.8.0.0/30"), container("a", "10.8.0.2"), container("b"));
    expect(addresses(r, "b")).toBe("10.7.0.2");
    expect(() => r.apply([container("c", "10.9.0.2")])).toThrow(
      "container c: 10.9.0.2 is outside the subnets of network n (10.7.0.0/30, 10.8.0.0/30)",
    );
    expect(() => r.apply([container("c")])).toThrow("could not find an available IP");
    r.apply([{ kind: "container.remove", id: "a" }]);
    r.apply([container("c")]);
    expect(addresses(r, "c")).toBe("10.8.0.2");
    r.apply([{ kind: "container.remove", id: "b" }]);
    r.apply([container("d")]);
    expect(addresses(r, "d")).toBe("10.7.0.2");
  });

  test("an address of IPv6 is given back, and one of IPv4 is not there", () => {
    const r = started(network("n", "fd07::/64"), container("a", "fd07::9"));
    expect(Object.keys(r.state.containers.get("a")?.endpoints[0] ?? {})).not.toContain("ip4");
    r.apply([{ kind: "container.remove", id: "a" }]);
    r.apply([container("b", "fd07::9")]);
    expect(addresses(r, "b")).toBe("fd07::9");
    const four = started(network("n", "10.7.0.0/24"), container("a"));
    expect(Object.keys(four.state.containers.get("a")?.endpoints[0] ?? {})).not.toContain("ip6");
  });

  test("names in what is said are those before a refused batch", () => {
    const r = started(network("n", "10.7.0.0/24"), {
      kind: "service.put",
      service: { id: "s", name: "web", networks: [{ network: "n" }] },
    });
    r.apply([{ kind: "task.put", task: { service: "s", slot: 1, id: "t" } }]);
    const task = r.state.tasks.get("t")?.endpoints[0]?.ip4 ?? "";
    expect(() =>
      r.apply([
        { kind: "network.patch", id: "n", patch: { name: "other" } },
        { kind: "service.patch", id: "s", patch: { name: "shop" } },
        container("c", task),
      ]),
    ).toThrow(`container c: ${task} is already used by task shop.1 on network other`);
    expect(() => r.apply([container("c", task)])).toThrow(
      `container c: ${task} is already used by task web.1 on network n`,
    );
  });
});

describe("the subnet of a network that names none", () => {
  /** 10.0.0.0/9, 10.128.0.0/10 and so on to a /24: each the first half of what the one before has left. */
  const HALVES = Array.from({ length: 16 }, (_, i) => {
    const base = 2 ** 24 - 2 ** (24 - i);
    return `10.${base >> 16}.${(base >> 8) & 255}.0/${9 + i}`;
  });
  test.each<[string, string[], string]>([
    ["nothing is there", [], "10.0.0.0/24"],
    ["other ranges are no obstacle", ["192.168.0.0/16", "172.16.0.0/12", "fd00::/8", "11.0.0.0/24"], "10.0.0.0/24"],
    ["behind the first", ["10.0.0.0/24"], "10.0.1.0/24"],
    ["in a gap", ["10.0.0.0/24", "10.0.2.0/24"], "10.0.1.0/24"],
    ["whatever their order", ["10.0.1.0/24", "10.0.0.0/24"], "10.0.2.0/24"],
    ["in front", ["10.0.1.0/24"], "10.0.0.0/24"],
    ["behind half of it", ["10.0.0.0/9"], "10.128.0.0/24"],
    ["behind a wide one and a narrow one", ["10.0.0.0/15", "10.2.0.0/26"], "10.2.1.0/24"],
    ["two in one /24", ["10.0.0.0/26", "10.0.0.64/26"], "10.0.1.0/24"],
    ["the very last", HALVES, "10.255.255.0/24"],
  ])("%s", (_, there, expected) => {
    const r = started(...there.map((cidr, i) => network(`x${i}`, cidr)), network("n"));
    expect(r.state.networks.get("n")?.subnets[0]?.cidr).toBe(expected);
  });

  test.each(["10.0.0.0/8", "0.0.0.0/1", "10.0.0.0/9 10.128.0.0/9"])("%s leaves none", (cidrs) => {
    const r = started(...cidrs.split(" ").map((cidr, i) => network(`x${i}`, cidr)));
    expect(() => r.apply([network("n")])).toThrow(
      expect.objectContaining({ code: "exhausted", message: "no free /24 is left in 10.0.0.0/8 for another network" }),
    );
  });
});

describe("published ports", () => {
  type Ports = NonNullable<ServiceInput["ports"]>;
  const service = (name: string, ...ports: Ports): ChangeInput => ({ kind: "service.put", service: { name, ports } });
  const published = (r: Registry, name: string) => r.state.services.get(name)?.ports.map((p) => p.published);
  const dynamic = { target: 80, published: 0 } as const;

  test.each<[string, Ports[number], number]>([
    ["the same", dynamic, 30000],
    ["another name", { ...dynamic, name: "http" }, 30001],
    ["another target", { ...dynamic, target: 81 }, 30001],
    ["another mode", { ...dynamic, mode: "host" }, 30001],
    ["another protocol", { ...dynamic, protocol: "udp" }, 30000], // which has numbers of its own
  ])("a port keeps its number as long as it is the same: %s", (_, port, expected) => {
    const r = started(service("a", dynamic));
    r.apply([service("a", port)]);
    expect(published(r, "a")).toEqual([expected]);
  });

  test("and gets another if it is asked for by name", () => {
    const r = started(service("a", dynamic));
    r.apply([service("a", dynamic, { target: 81, published: 30000 })]);
    expect(published(r, "a")).toEqual([30001, 30000]);
    r.apply([service("b", { target: 80, published: 30002, mode: "host" })]);
    r.apply([service("c", { ...dynamic, mode: "host" })]); // the scheduler need not keep them apart
    expect(published(r, "c")).toEqual([30003]);
  });

  test("a number that is asked for is not the one it had", () => {
    const r = started(service("a", { target: 80, published: 8080 }));
    r.apply([service("a", { target: 80, published: 80 })]);
    expect(published(r, "a")).toEqual([80]);
  });

  test("the same port, published and not: each is what it was", () => {
    const r = started(service("a", { target: 80 }, dynamic));
    r.apply([service("a", { target: 80 }, dynamic)]);
    expect(published(r, "a")).toEqual([undefined, 30000]);
  });

  test("on the nodes a number is kept whoever else has it there", () => {
    const host = { ...dynamic, mode: "host" } as const;
    const r = started(service("a", host));
    r.apply([service("b", { ...host, published: 30000 })]);
    r.apply([service("a", host, { target: 81 })]);
    expect(published(r, "a")).toEqual([30000, undefined]);
  });

  test("ports that are not published are in nobody's way", () => {
    const ports = [{ target: 80 }, { target: 81 }, { target: 80, mode: "host" }] as const;
    const r = started(service("a", ...ports), {
      kind: "service.put",
      service: { name: "b", mode: "dnsrr", ports },
    });
    r.apply([{ kind: "service.remove", id: "a" }]);
    expect(published(r, "b")).toEqual([undefined, undefined, undefined]);
  });

  test("the last number is found wherever the search begins", () => {
    const ports = Array.from({ length: 2768 }, (_, i) => ({ target: i + 1, published: 0 }));
    const r = started(service("a", ...ports));
    r.apply([service("a", ...ports.slice(0, -1))]);
    r.apply([service("b", dynamic)]);
    expect(published(r, "b")).toEqual([32767]);
  });

  test("nor is what the service asks for itself given to another port of it", () => {
    const r = started(network("n", "10.7.0.0/24"));
    r.apply([service("a", dynamic, { target: 81, published: 30000 })]);
    expect(published(r, "a")).toEqual([30001, 30000]);
  });

  test("a port on the nodes is in use until the last service that has it goes", () => {
    const host = { target: 80, published: 80, mode: "host" } as const;
    const r = started(service("a", host), service("b", host), service("c", { target: 80 }));
    const mesh = service("c", { target: 80, published: 80 });
    expect(() => r.apply([mesh])).toThrow("port '80' is already in use by service 'a' (a) as a host-published port");
    r.apply([{ kind: "service.remove", id: "a" }]);
    expect(() => r.apply([mesh])).toThrow("in use by service 'b' (b) as a host-published port");
    r.apply([{ kind: "service.remove", id: "b" }]);
    r.apply([mesh]);
    expect(published(r, "c")).toEqual([80]);
  });

  test("nothing is left of a service that went", () => {
    const state = new State();
    const host = { target: 82, published: 82, mode: "host" } as const;
    reduce(state, [
      service("a", { target: 80, published: 80 }, { target: 81, published: 81 }, host),
      service("b", host),
    ]);
    expect(state.ports.size).toBe(3);
    reduce(state, [{ kind: "service.remove", id: "a" }]);
    expect(state.ports.size).toBe(1);
    reduce(state, [{ kind: "service.remove", id: "b" }]);
    expect(state.ports.size).toBe(0);
  });

  test.each<[string, Ports, object]>([
    [
      "a number twice",
      [
        { target: 80, published: 80 },
        { target: 81, published: 80, protocol: "udp" },
        { target: 82, published: 80 },
      ],
      { path: "service.ports[2].published", message: expect.stringContaining("(80/tcp)") },
    ],
    ["another's number", [{ target: 80, published: 90 }], { path: "service.ports", code: "conflict" }],
  ])("refused: %s", (_, ports, error) => {
    const r = started(service("a", { target: 80, published: 90 }));
    expect(() => r.apply([service("b", ...ports)])).toThrow(expect.objectContaining(error));
  });

  test("all are used", () => {
    const r = started(service("a", ...Array.from({ length: 2768 }, (_, i) => ({ target: i + 1, published: 0 }))));
    expect(Math.max(...published(r, "a")!.map(Number))).toBe(32767);
    expect(() => r.apply([service("b", dynamic)])).toThrow(
      expect.objectContaining({
        code: "exhausted",
        path: "service.ports",
        message: "no bit available: all ports 30000-32767/tcp are published",
      }),
    );
    r.apply([service("b", { ...dynamic, protocol: "udp" })]);
    expect(published(r, "b")).toEqual([30000]);
  });
});
