/** What is refused, word for word and with its place, and what looks like it and is taken. */
import { describe, expect, test } from "vitest";
import type { ChangeInput, SandboxInput } from "../../src/model/input.ts";
import { Registry } from "../../src/registry/registry.ts";

const WORLD: readonly ChangeInput[] = [
  { kind: "network.put", network: { id: "nid", name: "n", subnets: [{ cidr: "10.0.0.0/24" }] } },
  { kind: "network.put", network: { id: "mid", name: "m", subnets: [{ cidr: "10.0.1.0/24" }] } },
  { kind: "network.put", network: { name: "mesh", ingress: true, subnets: [{ cidr: "10.0.9.0/24" }] } },
  { kind: "service.put", service: { id: "sid", name: "web", networks: [{ network: "nid" }] } },
  { kind: "task.put", task: { id: "tid", service: "sid", slot: 1 } },
  { kind: "container.put", container: { id: "cid", name: "c", endpoints: [{ network: "nid" }] } },
  {
    kind: "sandbox.put",
    sandbox: { id: "c", member: { kind: "container", id: "cid" }, listen: [{ address: "::1", port: 53 }] },
  },
];
const started = (): Registry => {
  const r = new Registry();
  r.apply(WORLD);
  return r;
};

type Refused = readonly [code: string, path: string | undefined, message: string];
function refused(change: ChangeInput, r = started()): Refused | undefined {
  try {
    r.apply([change]);
    return undefined;
  } catch (error) {
    const { code, path, message } = error as { code: string; path: string | undefined; message: string };
    return [code, path, message];
  }
}

describe("names", () => {
  test.each([
    ["a", undefined],
    ["a-b_c.D9", undefined],
    ["a..b", undefined],
    ["x".repeat(253), undefined],
    ["-", undefined],
    ["naïve", undefined],
    ["", "is empty"],
    [" ", "is empty"],
    [" a", "has white space"],
    ["a ", "has white space"],
    ["a b", "has white space"],
    ["a.b c", "has white space"],
    ["a\n", "has control characters"],
    ["\u0000a", "has control characters"],
    ["a.\u007f", "has control characters"],
  ])("%j of a container, as hostname, alias and link: %s", (name, problem) => {
    const ways: [string, object][] = [
      ["name", { name }],
      ["hostname", { name: "x", hostname: name }],
      ["endpoints[0].aliases[0]", { name: "x", endpoints: [{ network: "nid", aliases: [name] }] }],
      [
        "endpoints[0].links[0].alias",
        { name: "x", endpoints: [{ network: "nid", links: [{ target: "a", alias: name }] }] },
      ],
      [
        "endpoints[0].links[0].target",
        { name: "x", endpoints: [{ network: "nid", links: [{ target: name, alias: "a" }] }] },
      ],
    ];
    for (const [path, container] of ways) {
      const found = refused({ kind: "container.put", container: { id: "new", ...container } as never });
      if (problem === undefined) expect(found, path).toBeUndefined();
      else {
        const owner = path === "name" ? `container ${name}` : "container x";
        expect(found).toEqual(["invalid", `container.${path}`, `${owner}: name ${JSON.stringify(name)} ${problem}`]);
      }
    }
  });

  test.each<[string, ChangeInput, Refused | undefined]>([
    ["white space in a network's", { kind: "network.put", network: { name: "a b" } }, undefined],
    [
      "but nothing to read",
      { kind: "network.put", network: { id: "x", name: "\t" } },
      ["invalid", "network.name", 'network: name "\\t" is empty'],
    ],
    [
      "a sandbox's",
      { kind: "sandbox.put", sandbox: { id: "a\rb", member: { kind: "container", id: "cid" } } },
      ["invalid", "sandbox.id", 'sandbox: name "a\\rb" has control characters'],
    ],
    [
      "a task's node",
      { kind: "task.put", task: { id: "t", service: "sid", node: "a b" } },
      ["invalid", "task.id", 'task web.a b: name "web.a b.t" has white space'],
    ],
    [
      "a task's hostname",
      { kind: "task.put", task: { id: "t", service: "sid", slot: 2, hostname: "a b" } },
      ["invalid", "task.hostname", 'task web.2: name "a b" has white space'],
    ],
    [
      "a network of this name",
      { kind: "network.put", network: { name: "N" } },
      ["conflict", "network.name", "network N: there is a network of this name (nid)"],
    ],
    [
      "a container of this name",
      { kind: "container.put", container: { name: "C" } },
      ["conflict", "container.name", "container C: there is a container of this name (cid)"],
    ],
    [
      "a service of this name there",
      { kind: "service.put", service: { name: "WEB", networks: [{ network: "mid" }, { network: "nid" }] } },
      ["conflict", "service.networks[1].network", "service WEB: there is a service of this name on network n (sid)"],
    ],
  ])("%s", (_, change, expected) => expect(refused(change)).toEqual(expected));
});

describe("places", () => {
  test.each<[string, ChangeInput, Refused | undefined]>([
    [
      "no such network",
      { kind: "container.put", container: { name: "x", endpoints: [{ network: "n" }] } },
      ["unknown", "container.endpoints[0].network", 'container x: there is no network "n"'],
    ],
    [
      "twice on one",
      { kind: "container.put", container: { name: "x", endpoints: [{ network: "nid" }, { network: "nid" }] } },
      ["invalid", "container.endpoints[1].network", "container x is on network n twice"],
    ],
    [
      "a service twice on one",
      { kind: "service.put", service: { name: "x", networks: [{ network: "nid" }, { network: "nid" }] } },
      ["invalid", "service.networks[0].network", "service x is on network n twice"],
    ],
    [
      "a service on the mesh",
      { kind: "service.put", service: { name: "x", networks: [{ network: "mesh" }] } },
      [
        "invalid",
        "service.networks[0].network",
        'service x: Service cannot be explicitly attached to the ingress network "mesh"',
      ],
    ],
    [
      "a task where its service is not",
      { kind: "task.put", task: { service: "sid", slot: 2, endpoints: [{ network: "nid" }, { network: "mid" }] } },
      ["invalid", "task.endpoints[1].network", "task web.2: service web is not on network m"],
    ],
    [
      "a task of no service",
      { kind: "task.put", task: { id: "t", service: "web" } },
      ["unknown", "task.service", 'task t: there is no service "web"'],
    ],
    [
      "a service leaves its tasks",
      { kind: "service.patch", id: "sid", patch: { networks: [{ network: "mid" }] } },
      ["in-use", "patch.networks", "service web can't leave network n: task tid is on it"],
    ],
    [
      "sources that are none",
      {
        kind: "service.put",
        service: { name: "x", ports: [{ target: 80, published: 80, sources: ["10.0.0.0/8", "10.0.0.1/8"] }] },
      },
      ["invalid", "service.ports[0].sources[1]", 'service x: source "10.0.0.1/8" is no IP address and no range'],
    ],
    [
      "sources of IPv4 in IPv6's notation",
      {
        kind: "service.put",
        service: { name: "x", ports: [{ target: 80, published: 80, sources: ["::ffff:10.0.0.0/104"] }] },
      },
      [
        "invalid",
        "service.ports[0].sources[0]",
        'service x: source "::ffff:10.0.0.0/104" is IPv4 as IPv6 writes it: write it as IPv4',
      ],
    ],
    [
      "sources of what nobody reaches from outside",
      { kind: "service.put", service: { name: "x", ports: [{ target: 80, sources: ["10.0.0.0/8"] }] } },
      [
        "invalid",
        "service.ports[0].sources",
        "service x: a port that is not published has no sources to be reached from",
      ],
    ],
    [
      "a port again that a range has; it is known by its place as it was given",
      {
        kind: "service.put",
        service: {
          name: "x",
          ports: [{ target: "80-89", published: "8080-8089" }, { target: "90-91" }, { target: 80, published: 8085 }],
        },
      },
      [
        "invalid",
        "service.ports[2].published",
        "service x: EndpointSpec: duplicate published ports provided (8085/tcp)",
      ],
    ],
    [
      "two ranges that overlap, in a patch",
      {
        kind: "service.patch",
        id: "sid",
        patch: {
          ports: [
            { target: "80-89", published: "8080-8089" },
            { target: "80-89", published: "8089-8098" },
          ],
        },
      },
      [
        "invalid",
        "patch.ports[1].published",
        "service web: EndpointSpec: duplicate published ports provided (8089/tcp)",
      ],
    ],
    [
      "sources that are none, behind a range",
      {
        kind: "service.put",
        service: { name: "x", ports: [{ target: "80-89" }, { target: "90-91", published: 0, sources: ["::1", "x"] }] },
      },
      ["invalid", "service.ports[1].sources[1]", 'service x: source "x" is no IP address and no range'],
    ],
    [
      "a VIP without being balanced",
      { kind: "service.put", service: { name: "x", mode: "dnsrr", networks: [{ network: "nid", vip4: "10.0.0.9" }] } },
      ["invalid", "service.networks[0].vip4", "service x: a dnsrr service has no VIP, 10.0.0.9 was given"],
    ],
    [
      "one of IPv6",
      { kind: "service.put", service: { name: "x", mode: "dnsrr", networks: [{ network: "nid", vip6: "fd00::9" }] } },
      ["invalid", "service.networks[0].vip6", "service x: a dnsrr service has no VIP, fd00::9 was given"],
    ],
    [
      "a VIP outside",
      { kind: "service.put", service: { name: "x", networks: [{ network: "nid", vip4: "10.9.0.9" }] } },
      ["invalid", "service.networks[0].vip4", "service x: 10.9.0.9 is outside the subnets of network n (10.0.0.0/24)"],
    ],
    [
      "a VIP on the mesh",
      {
        kind: "service.put",
        service: { name: "x", ports: [{ target: 80, published: 80 }], mesh: { network: "mesh", vip4: "10.0.9.0" } },
      },
      ["invalid", "service.mesh.vip4", "service x: 10.0.9.0 is the network or broadcast address of 10.0.9.0/24"],
    ],
    [
      "a patch for nobody",
      { kind: "service.patch", id: "nobody", patch: {} },
      ["unknown", undefined, 'service.patch: there is no service "nobody"; put it first'],
    ],
    [
      "a second mesh",
      { kind: "network.put", network: { name: "x", ingress: true } },
      ["conflict", "network.ingress", "network x: ingress network (mesh) is already present"],
    ],
    [
      "ranges that overlap, one of several",
      { kind: "network.put", network: { name: "x", subnets: [{ cidr: "10.7.0.0/24" }, { cidr: "10.0.1.128/25" }] } },
      ["conflict", "network.subnets[1].cidr", "network x: subnet 10.0.1.128/25 overlaps network m (10.0.1.0/24)"],
    ],
    [
      "ranges that overlap each other",
      { kind: "network.put", network: { name: "x", subnets: [{ cidr: "10.7.0.0/24" }, { cidr: "10.7.0.0/25" }] } },
      [
        "conflict",
        "network.subnets[1].cidr",
        "network x: subnet 10.7.0.0/25 overlaps network x (10.7.0.0/24, 10.7.0.0/25)",
      ],
    ],
    [
      "no range",
      { kind: "network.put", network: { name: "x", subnets: [{ cidr: "10.7.0.1/24" }] } },
      ["invalid", "network.subnets[0].cidr", 'network x: "10.7.0.1/24" is no subnet such as 10.0.1.0/24'],
    ],
    [
      "a gateway outside",
      { kind: "network.put", network: { name: "x", subnets: [{ cidr: "10.7.0.0/24", gateway: "10.8.0.1" }] } },
      ["invalid", "network.subnets[0].gateway", "network x: gateway 10.8.0.1 is outside 10.7.0.0/24"],
    ],
    [
      "a gateway that is nobody's",
      { kind: "network.put", network: { name: "x", subnets: [{ cidr: "10.7.0.0/24", gateway: "10.7.0.0" }] } },
      [
        "invalid",
        "network.subnets[0].gateway",
        "network x: gateway 10.7.0.0 is the network or broadcast address of 10.7.0.0/24",
      ],
    ],
    [
      "a network that is used moves",
      { kind: "network.patch", id: "nid", patch: { subnets: [{ cidr: "10.7.0.0/24" }] } },
      [
        "in-use",
        "patch.subnets",
        "the subnets of network n can't change while it is in use by service web, container c",
      ],
    ],
    [
      "one that is not used may become something else",
      { kind: "network.patch", id: "mesh", patch: { ingress: false, name: "other" } },
      undefined,
    ],
    [
      "or goes",
      { kind: "network.remove", id: "nid" },
      ["in-use", undefined, "network n can't be removed while it is in use by service web, container c"],
    ],
  ])("%s", (_, change, expected) => expect(refused(change)).toEqual(expected));

  test("the mesh stays the mesh as long as somebody is on it", () => {
    const r = started();
    const change: ChangeInput = { kind: "network.patch", id: "mesh", patch: { ingress: false } };
    r.apply([{ kind: "service.put", service: { name: "x", ports: [{ target: 80, published: 80 }] } }]);
    expect(refused(change, r)).toEqual([
      "in-use",
      "patch.ingress",
      "the role (ingress or not) of network mesh can't change while it is in use by service x",
    ]);
    r.apply([{ kind: "service.remove", id: "x" }, change]);
    expect(r.state.networks.get("mesh")?.ingress).toBe(false);
  });

  test("one of a network's ranges is enough to overlap", () => {
    const r = started();
    r.apply([
      { kind: "network.put", network: { name: "x", subnets: [{ cidr: "10.7.0.0/24" }, { cidr: "fd07::/64" }] } },
    ]);
    expect(refused({ kind: "network.put", network: { name: "y", subnets: [{ cidr: "10.7.0.0/25" }] } }, r)).toEqual([
      "conflict",
      "network.subnets[0].cidr",
      "network y: subnet 10.7.0.0/25 overlaps network x (10.7.0.0/24, fd07::/64)",
    ]);
  });

  test("a network's upstreams", () => {
    const r = started();
    const put = (...addresses: string[]): ChangeInput => ({
      kind: "network.put",
      network: { name: "x", upstreams: addresses.map((address) => ({ address })) },
    });
    r.apply([put("FD00:0::9")]);
    expect(r.state.networks.get("x")?.upstreams).toEqual([{ address: "fd00::9", port: 53 }]);
    expect(Object.hasOwn(r.state.networks.get("nid")!, "upstreams")).toBe(false);
    expect(refused(put("::1", "dns.example"), r)).toEqual([
      "invalid",
      "network.upstreams[1].address",
      'network x: upstream "dns.example" is no IP address',
    ]);
  });

  test("the gateway of an IPv6 subnet may be its first address", () => {
    const subnets = [{ cidr: "fd07::/64", gateway: "FD07::0" }];
    const r = started();
    r.apply([{ kind: "network.put", network: { name: "x", subnets } }]);
    expect(r.state.networks.get("x")?.subnets).toEqual([{ cidr: "fd07::/64", gateway: "fd07::" }]);
  });

  test.each([
    [5, "container x0, container x1, container x2, container x3, container x4"],
    [7, "container x0, container x1, container x2, container x3, container x4 and 2 more"],
  ])("of many users five are named: %i", (many, named) => {
    const r = started();
    r.apply(
      Array.from(
        { length: many },
        (_, i): ChangeInput => ({
          kind: "container.put",
          container: { name: `x${i}`, endpoints: [{ network: "mid" }] },
        }),
      ),
    );
    expect(refused({ kind: "network.remove", id: "mid" }, r)?.[2]).toBe(
      `network m can't be removed while it is in use by ${named}`,
    );
  });
});

describe("what is no change", () => {
  test.each([null, 5])("%j", (change) => {
    expect(refused(change as never)).toEqual(["invalid", undefined, `change: it must be an object, not ${change}`]);
  });
});

describe("sandboxes", () => {
  const sandbox = (more: Partial<SandboxInput>): ChangeInput => ({
    kind: "sandbox.put",
    sandbox: { id: "b", member: { kind: "container", id: "cid" }, ...more } as SandboxInput,
  });
  const file = (resolvConf: SandboxInput["resolvConf"]): ChangeInput => sandbox({ netns: "x", resolvConf } as object);

  test.each<[string, ChangeInput, Refused | undefined]>([
    [
      "redirected nowhere",
      sandbox({ bind: "redirect" }),
      ["invalid", "sandbox.bind", "sandbox b: bind: redirect needs a netns"],
    ],
    ["redirected in its namespace", sandbox({ bind: "redirect", netns: "x" }), undefined],
    ["bound otherwise", sandbox({ bind: "direct" } as object), undefined],
    [
      "a file of nobody's",
      sandbox({ resolvConf: "/etc/resolv.conf" }),
      ["invalid", "sandbox.resolvConf", "sandbox b: resolvConf needs a netns"],
    ],
    ["a file", file("/etc/resolv.conf"), undefined],
    ["below a root", file({ root: "/", path: "resolv.conf" }), undefined],
    ["nowhere", file("etc"), ["invalid", "sandbox.resolvConf", 'sandbox b: resolvConf "etc" is not absolute']],
    [
      "below nowhere",
      file({ root: "etc", path: "x" }),
      ["invalid", "sandbox.resolvConf", 'sandbox b: resolvConf: root "etc" is not absolute'],
    ],
    ...["/", "//x", "/x/../y", "/x/./y", "/x/"].map((path): [string, ChangeInput, Refused] => [
      path,
      file(path),
      [
        "invalid",
        "sandbox.resolvConf",
        `sandbox b: resolvConf: "${path.slice(1)}" must be names with one "/" between them, below its root`,
      ],
    ]),
    ...["/x\u0000", "/\u001f", "/\u007fx", { root: "/\n", path: "x" }].map((where): [string, ChangeInput, Refused] => [
      `control characters: ${JSON.stringify(where)}`,
      file(where),
      ["invalid", "sandbox.resolvConf", "sandbox b: resolvConf has control characters in it"],
    ]),
    ["spaces in a file's name", file("/a b~"), undefined],
    [
      "listening where another does",
      sandbox({
        listen: [
          { address: "::1", port: 54 },
          { address: "0::1", port: 53 },
        ],
      }),
      ["conflict", "sandbox.listen", "sandbox b: sandbox c listens on ::1 port 53 for the same source (any)"],
    ],
    ["in another namespace", sandbox({ netns: "x", listen: [{ address: "::1", port: 53 }] }), undefined],
    ["for one source", sandbox({ listen: [{ address: "::1", port: 53, source: ["10.0.0.0/8"] }] }), undefined],
    [
      "nowhere",
      sandbox({
        listen: [
          { address: "::1", port: 0 },
          { address: "localhost", port: 0 },
        ],
      }),
      ["invalid", "sandbox.listen[1].address", 'sandbox b: listen address "localhost" is no IP address'],
    ],
    [
      "for no source",
      sandbox({ listen: [{ address: "::1", port: 0, source: ["::1", "10.0.0.1/8"] }] }),
      ["invalid", "sandbox.listen[0].source[1]", 'sandbox b: source "10.0.0.1/8" is no IP address and no range'],
    ],
    [
      "no upstream",
      sandbox({ upstreams: [{ address: "::1" }, { address: "dns.example" }] }),
      ["invalid", "sandbox.upstreams[1].address", 'sandbox b: upstream "dns.example" is no IP address'],
    ],
    [
      "nobody's",
      sandbox({ member: { kind: "task", id: "cid" } }),
      ["unknown", "sandbox.member.id", 'sandbox b: there is no task "cid"; put it before, or in the same batch'],
    ],
  ])("%s", (_, change, expected) => expect(refused(change)).toEqual(expected));

  test("each namespace has its addresses", () => {
    const r = started();
    const listen = [{ address: "::1", port: 53 }];
    r.apply([sandbox({ netns: "x", listen }), sandbox({ id: "other", netns: "y", listen })]);
    expect(refused(sandbox({ id: "more", netns: "y", listen }), r)?.[0]).toBe("conflict");
  });

  test("addresses are kept as everyone writes them", () => {
    const r = started();
    const source = ["FD00:0::1", "fd00:0::/16", "10.0.0.0/8"];
    r.apply([
      sandbox({ netns: "x", listen: [{ address: "0::1", port: 53, source }], upstreams: [{ address: "FD00:0::9" }] }),
      sandbox({ id: "plain" }),
    ]);
    expect(r.state.sandboxes.get("b")).toEqual({
      id: "b",
      member: { kind: "container", id: "cid" },
      netns: "/run/netns/x",
      listen: [{ address: "::1", port: 53, source: ["fd00::1", "fd00::/16", "10.0.0.0/8"] }],
      upstreams: [{ address: "fd00::9", port: 53 }],
    });
    expect(Object.keys(r.state.sandboxes.get("plain") ?? {}).sort()).toEqual(["id", "listen", "member"]);
  });
});
