import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { configJsonSchema } from "../../src/config/json-schema.ts";
import { ConfigError, loadConfig, parseConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/options.ts";
import { type Given, readChange } from "../../src/model/change.ts";
import { Registry } from "../../src/registry/registry.ts";
import { applyConfig } from "../support/apply-config.ts";

/** What is said of a file, or "good". The registry has its say, too, as in `eleven config check`. */
function complaint(text: string): string {
  try {
    applyConfig(new Registry(), parseConfig(text, "f.yaml", {}));
    return "good";
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

const rows = (n: number, row: (i: number) => string, head: string): string =>
  [head, ...Array.from({ length: n }, (_, i) => row(i))].join("\n");

const NET = "networks:\n  n: { subnet: 10.0.1.0/24 }\n";

/** The file's changes with what is left out filled in: each is one that `apply` takes. */
const meant = ({ changes }: Config) =>
  changes.map((change) => {
    const read = readChange(change);
    return read.kind === "none" ? expect.unreachable(`${read.called}: ${read.path} ${read.message}`) : read;
  });

describe("what is wrong is said with file, line, column, path and reason", () => {
  test.each([
    ["nothing at all", "", "good"],
    [
      "a name that is none, and what else is wrong",
      'networks: { n: { __proto__: 1 }, m: { subnt: 1 } }\ncompat: dockr\nnode: ${NO}\nservices: { s: { networks: [n, "${NO}"] } }',
      [
        "f.yaml:1:18: networks.n.__proto__: is no name",
        "f.yaml:1:39: networks.m.subnt: is no key that is known here",
        'f.yaml:2:9: compat: must be "none" or "docker"',
        "f.yaml:3:7: node: the environment has no NO; write ${NO:-default} for a default",
        "f.yaml:4:32: services.s.networks.1: the environment has no NO; write ${NO:-default} for a default",
      ].join("\n"),
    ],
    ["not YAML", "networks: [", /^f\.yaml:1:12: Flow sequence/],
    ["a key twice", "hostnames: true\nhostnames: false", "f.yaml:2:1: Map keys must be unique"],
    ["a list", "- a", "f.yaml:1:1: must be a mapping"],
    ["unknown key at the top", "network: {}", "f.yaml:1:1: network: is no key that is known here"],
    [
      "unknown key below",
      `${NET}services:\n  web:\n    networks: [n]\n    image: nginx`,
      "f.yaml:6:5: services.web.image: is no key that is known here",
    ],
    ["wrong word", "compat: dockr", 'f.yaml:1:9: compat: must be "none" or "docker"'],
    [
      "neither of three forms",
      "upstreams: 192.0.2.1",
      'f.yaml:1:12: upstreams: must be a list or "resolv.conf" or a mapping',
    ],
    ["neither of two forms", "forwarder: { cache: 5 }", "f.yaml:1:21: forwarder.cache: must be a boolean or a mapping"],
    ["wrong type", "hostnames: 1", "f.yaml:1:12: hostnames: must be a boolean"],
    ["IPv6 where IPv4 belongs", "networks:\n  n: { subnet: 'fd00:1::/64' }", /n\.subnet: must be an IPv4 subnet/],
    ["IPv4 where IPv6 belongs", "networks:\n  n: { subnet6: 10.0.1.0/24 }", /n\.subnet6: must be an IPv6 subnet/],
    ["an upstream's port 0", 'upstreams: ["192.0.2.1:0"]', /upstreams\.0: must be an address/],
    [
      "a wildcard that is no alias",
      `${NET}containers: { "*.x": { networks: [n] } }`,
      /has a wildcard, which only aliases/,
    ],
    [
      "a name that JavaScript has plans for",
      "networks: { __proto__: { subnt: 1 } }",
      /f\.yaml:1:13: networks\.__proto__: is no name/,
    ],
    [
      "tasks of one id",
      `${NET}services:\n  w: { networks: [n], tasks: [{ id: a }, { id: a }] }`,
      'f.yaml:4:42: services.w.tasks.1: has the same task id "a" as services.w.tasks.0',
    ],
    [
      "tasks of one slot",
      `${NET}services:\n  w: { networks: [n], tasks: [{ slot: 1 }, { slot: 1, id: b }] }`,
      'f.yaml:4:44: services.w.tasks.1: has the same slot 1 in service "w" as services.w.tasks.0',
    ],
    [
      "tasks of a global service on one node",
      `${NET}services:\n  w: { mode: global, networks: [n], tasks: [{ node: x, id: a }, { node: x, id: b }] }`,
      /has the same node "x" in service "w"/,
    ],
    [
      "services of one id",
      `${NET}services: { a: { id: q, networks: [n] }, b: { id: q, networks: [n] } }`,
      /same service id "q"/,
    ],
    [
      "containers of one id",
      `${NET}containers: { a: { id: q, networks: [n] }, b: { id: q, networks: [n] } }`,
      /same container id "q"/,
    ],
    [
      "networks of one id",
      "networks: { a: { id: b }, b: {} }",
      /networks\.b: has the same network id "b" as networks\.a/,
    ],
    ["missing networks", "services:\n  web: { replicas: 1 }", "f.yaml:2:3: services.web.networks: is missing"],
    [
      "host bits in a subnet",
      "networks:\n  n: { subnet: 10.0.1.5/24 }",
      /^f\.yaml:2:16: networks\.n\.subnet: must be an IPv4 subnet such as 10\.0\.1\.0\/24/,
    ],
    [
      "bad address",
      `${NET}containers:\n  c: { networks: { n: { ip: 10.0.1.256 } } }`,
      'f.yaml:4:29: containers.c.networks.n.ip: must be an IP address, got "10.0.1.256"',
    ],
    [
      "bad port",
      `${NET}services:\n  web: { networks: [n], ports: ["80:x"] }`,
      /^f\.yaml:4:33: services\.web\.ports\.0: must be \[published:\]target/,
    ],
    [
      "bad range",
      `${NET}services:\n  web: { networks: [n], ports: [{ target: 80-x }] }`,
      'f.yaml:4:43: services.web.ports.0.target: must be a port from 1 to 65535 or a range such as "8000-8010", got "80-x"',
    ],
    [
      "bad range of a published port",
      `${NET}services:\n  web: { networks: [n], ports: [{ target: 80-x, published: 80 }] }`,
      'f.yaml:4:43: services.web.ports.0.target: must be a port from 1 to 65535 or a range such as "8000-8010", got "80-x"',
    ],
    [
      "a published port in quotes, as compose writes it",
      `${NET}services:\n  web: { networks: [n], ports: [{ target: 80, published: "8080" }] }`,
      'f.yaml:4:58: services.web.ports.0.published: must be a port from 1 to 65535 or a range such as "8000-8010", got "8080"',
    ],
    [
      "a range that is too wide, in short",
      `${NET}services:\n  web: { networks: [n], ports: ["1-1001"] }`,
      /ports\.0: must be \[published:\]target.* \(as many on both sides, 1000 at most\), got "1-1001"/,
    ],
    [
      "fewer ports outside than inside",
      `${NET}services:\n  web: { networks: [n], ports: [{ target: 80-89, published: 80-88 }] }`,
      'f.yaml:4:61: services.web.ports.0.published: must have as many ports as target (10), got "80-88"',
    ],
    [
      "sources of what is not published",
      `${NET}services:\n  web: { networks: [n], ports: [{ target: 80, sources: [10.0.0.0/8] }] }`,
      /^f\.yaml:4:56: services\.web\.ports\.0\.sources: needs published/,
    ],
    [
      "sources with host bits",
      `${NET}services:\n  web: { networks: [n], ports: [{ target: 80, published: 80, sources: [10.0.0.1/8] }] }`,
      /ports\.0\.sources\.0: must be an address or a range such as 10\.0\.1\.0/,
    ],
    [
      "a network with any name",
      `networks:\n  ${"n".repeat(113)}: {}\n  "my net": {}\n  a..b: {}\n  constructor: {}`,
      "good",
    ],
    [
      "containers and aliases that DNS has no form for",
      `${NET}containers:\n  ${"c".repeat(64)}: { networks: { n: { aliases: [a..b, toString] } } }\n  constructor: { networks: [n] }`,
      "good",
    ],
    ["a network with no name", 'networks: { " ": {} }', 'f.yaml:1:18: networks. : name " " is empty'],
    [
      "control characters",
      'networks: { "a\\eb": {} }',
      'f.yaml:1:21: networks.a\\u001bb: name "a\\u001bb" has control characters',
    ],
    [
      "control characters in a value",
      'upstreams: ["\\e]0;x\\a"]',
      'f.yaml:1:13: upstreams.0: must be an address, address:port or [address]:port, got "\\u001b]0;x\\u0007"',
    ],
    [
      "a domain is compared with names: long label",
      `upstreams: [{ address: 192.0.2.1, domains: [${"n".repeat(64)}] }]`,
      /has a label of 64 octets, 63 are allowed/,
    ],
    [
      "constructor is in every object, and no container",
      `${NET}containers: { c: { networks: [n] } }\nsandboxes:\n  s: { container: constructor }`,
      'f.yaml:5:19: sandboxes.s.container: there is no container "constructor" in this file',
    ],
    [
      "nor a network",
      `${NET}balance: { networks: { toString: { netns: x, ip: 10.0.1.3 } } }`,
      /there is no network "toString" in this file/,
    ],
    ["nor a variable", "node: ${constructor}", /the environment has no constructor/],
    ["what contains itself", "networks: &a { n: *a }", /f\.yaml:1:16: networks\.n: contains itself/],
    ["a list in itself", "&a [*a]", /contains itself/],
    ["depth", `a: ${"[".repeat(100)}${"]".repeat(100)}`, /is nested more than 64 levels deep$/],
    ["depth without end", "[".repeat(20_000), /is nested more than 64 levels deep/],
    [
      "a bomb of aliases",
      `a: &a [x]\nb: &b [${"*a,".repeat(20)}]\nc: &c [${"*b,".repeat(20)}]\nd: [${"*c,".repeat(20)}]`,
      /Excessive alias count/,
    ],
    ["a mapping as key", "networks: { ? { a: b } : {} }", "f.yaml:1:15: a key must be plain text"],
    ["a tag that means nothing here", "node: !mine x", "f.yaml:1:7: Unresolved tag: !mine"],
    ["a set", "%YAML 1.1\n---\nnetworks: !!set { a, b }", "f.yaml:3:17: networks: must be a mapping"],
    ["octets for a section", "networks: !!binary aGVsbG8=", "f.yaml:1:20: networks: must be a mapping"],
    [
      "name with a space",
      "containers:\n  'a b': { networks: [] }",
      /f\.yaml:2:10: containers\.a b: name "a b" has white space/,
    ],
    [
      "bad listen",
      "sandboxes:\n  s: { container: c, listen: here }",
      /^f\.yaml:2:30: sandboxes\.s\.listen: must be address:port/,
    ],
    [
      "neither container nor task",
      "sandboxes:\n  s: { listen: 127.0.0.1:53 }",
      /must name either a container or a task/,
    ],
    [
      "two at once, in order of line",
      "compat: x\nhostnames: 3",
      'f.yaml:1:9: compat: must be "none" or "docker"\nf.yaml:2:12: hostnames: must be a boolean',
    ],
    [
      "unset variable",
      "compat: ${MODE}",
      "f.yaml:1:9: compat: the environment has no MODE; write ${MODE:-default} for a default",
    ],
    [
      "replicas against tasks",
      `${NET}services:\n  web: { networks: [n], replicas: 2, tasks: [{}] }`,
      /^f\.yaml:4:35: services\.web\.replicas: says 2, but 1 tasks are listed/,
    ],
    [
      "sandbox of nobody",
      "sandboxes:\n  s: { container: c }",
      /^f\.yaml:2:19: sandboxes\.s\.container: there is no container "c"/,
    ],
    [
      "sandbox of no task",
      `${NET}services:\n  web: { networks: [n] }\nsandboxes:\n  s: { task: web.2 }`,
      /there is no task "web\.2"/,
    ],
  ])("%s", (_, text, expected) => {
    expect(complaint(text)).toEqual(typeof expected === "string" ? expected : expect.stringMatching(expected));
  });

  test.each([
    [
      "network that is not there",
      "services:\n  web: { networks: [m] }",
      /^f\.yaml:2:3: services\.web: service web: there is no network "m"/,
    ],
    [
      "overlap",
      "networks:\n  a: { subnet: 10.0.0.0/8 }\n  b: { subnet: 10.1.0.0/16 }",
      /^f\.yaml:3:3: networks\.b: .*overlaps network a \(10\.0\.0\.0\/8\)/,
    ],
    [
      "gateway outside",
      "networks:\n  a: { subnet: 10.0.1.0/24, gateway: 10.0.2.1 }",
      /gateway 10\.0\.2\.1 is outside 10\.0\.1\.0\/24/,
    ],
    [
      "address twice",
      `${NET}containers:\n  a: { networks: { n: { ip: 10.0.1.5 } } }\n  b: { networks: { n: { ip: 10.0.1.5 } } }`,
      /^f\.yaml:5:3: containers\.b: container b: 10\.0\.1\.5 is already used by container a on network n/,
    ],
    [
      "address outside",
      `${NET}containers:\n  a: { networks: { n: { ip: 10.0.2.5 } } }`,
      /10\.0\.2\.5 is outside the subnets of network n \(10\.0\.1\.0\/24\)/,
    ],
    [
      "the gateway's address",
      `${NET}containers:\n  a: { networks: { n: { ip: 10.0.1.1 } } }`,
      /10\.0\.1\.1 is already used by the gateway/,
    ],
    [
      "dnsrr in the mesh",
      `${NET}services:\n  web: { networks: [n], endpoint_mode: dnsrr, ports: ["80:80"] }`,
      /EndpointSpec: port published with ingress mode can't be used with dnsrr mode/,
    ],
    [
      "port twice",
      `${NET}services:\n  web: { networks: [n], ports: ["80:80", "80:81"] }`,
      /EndpointSpec: duplicate published ports provided/,
    ],
    [
      "port of another",
      `${NET}services:\n  a: { networks: [n], ports: ["80:80"] }\n  b: { networks: [n], ports: ["80:80"] }`,
      /^f\.yaml:5:3: services\.b: port '80' is already in use by service 'a' \(a\) as an ingress port/,
    ],
    [
      "listening twice",
      `${NET}containers:\n  a: { networks: [n] }\nsandboxes:\n  s: { container: a, listen: 127.0.0.1:5300 }\n  t: { container: a, listen: 127.0.0.1:5300 }`,
      /^f\.yaml:7:3: sandboxes\.t: .*sandbox s listens on 127\.0\.0\.1 port 5300/,
    ],
    [
      "service name with a dot",
      `${NET}services:\n  a.b: { networks: [n] }`,
      /name must be valid as a DNS name component/,
    ],
    [
      "too few addresses",
      "networks:\n  n: { subnet: 10.0.1.0/30 }\nservices:\n  web: { networks: [n], replicas: 2 }",
      /could not find an available IP/,
    ],
  ])("the registry refuses: %s", (_, text, expected) => {
    expect(complaint(text)).toMatch(expected);
  });

  test.each([
    ["containers", 5_000, (n: number) => rows(n, (i) => `  c${i}: { networks: [n] }`, "containers:"), "good"],
    [
      "tasks and their sandboxes",
      1_000,
      (n: number) =>
        `${rows(n, (i) => `  s${i}: { networks: [n] }`, "services:")}\n${rows(n, (i) => `  b${i}: { task: s${i}.1 }`, "sandboxes:")}`,
      "good",
    ],
    [
      "mistakes",
      3_000,
      (n: number) => rows(n, (i) => `  c${i}: { netwrks: [n] }`, "containers:"),
      /netwrks: is no key/,
    ],
    ["variables without end", 20_000, (n: number) => `node: "${"${a:-".repeat(n)}"`, "good"],
  ])("%s: time grows with the file, not with its square", (_, n, text, expected) => {
    const took = (count: number) => {
      const started = process.cpuUsage();
      let said = "good";
      try {
        parseConfig(`networks: { n: { subnet: 10.0.0.0/8 } }\n${text(count)}`, "f.yaml", {});
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        said = error.message;
      }
      expect(said).toMatch(expected);
      return process.cpuUsage(started).user;
    };
    took(n / 10);
    const small = took(n / 10);
    expect(took(n)).toBeLessThan(Math.max(small, 5_000) * 40); // ten times as long; a hundred would be its square
  });

  test("a file that is not there", async () => {
    await expect(loadConfig("/nonexistent.yaml")).rejects.toThrow("/nonexistent.yaml: there is no such file");
  });
});

describe("what a file means", () => {
  const changesOf = (text: string, environment = {}) => meant(parseConfig(text, "f", environment));
  const one = <K extends Given["kind"]>(text: string, kind: K) =>
    changesOf(text).filter((c): c is Extract<Given, { kind: K }> => c.kind === kind);

  test("short and long forms are the same", () => {
    const short = changesOf(`${NET}services:\n  web: { networks: [n], ports: ["8080:80/udp"], labels: ["a=b"] }`);
    const long = changesOf(
      `${NET}services:\n  web: { networks: { n: { aliases: [] } }, ports: [{ published: 8080, target: 80, protocol: udp, mode: ingress }], labels: { a: b } }`,
    );
    expect(short).toEqual(long);
  });

  test("ranges, who may come, and which ports of a VIP lead anywhere", () => {
    const [sip] = one(
      `${NET}services:
  sip:
    networks: [n]
    vip_ports: declared
    ports: ["6060-6061:5060-5061/udp", { target: 80-81, published: 80-81, sources: [10.0.0.0/8, "fd00::1"] }, "90-91"]`,
      "service.put",
    );
    expect(sip?.service.vipPorts).toBe("declared");
    const from = { sources: ["10.0.0.0/8", "fd00::1"] };
    expect(sip?.service.ports).toEqual([
      { protocol: "udp", mode: "ingress", target: 5060, published: 6060 },
      { protocol: "udp", mode: "ingress", target: 5061, published: 6061 },
      { protocol: "tcp", mode: "ingress", target: 80, published: 80, ...from },
      { protocol: "tcp", mode: "ingress", target: 81, published: 81, ...from },
      { protocol: "tcp", mode: "ingress", target: 90, published: 0 },
      { protocol: "tcp", mode: "ingress", target: 91, published: 0 },
    ]);
  });

  test("JSON is YAML", () => {
    expect(changesOf('{"networks": {"n": {"subnet": "10.0.1.0/24"}}}')).toEqual(changesOf(NET));
  });

  test("replicas become tasks with the same ids on every start", () => {
    const ids = () =>
      one(`${NET}services:\n  web: { networks: [n], replicas: 3 }`, "task.put").map(
        ({ task }) => `${task.slot} ${task.id}`,
      );
    expect(ids()).toEqual(ids());
    expect(ids()).toEqual([1, 2, 3].map((slot) => expect.stringMatching(new RegExp(`^${slot} [0-9a-z]{25}$`))));
  });

  test.each([
    ["127.0.0.1:5300", { address: "127.0.0.1", port: 5300 }],
    ["127.0.0.1", { address: "127.0.0.1", port: 53 }],
    ["'[::1]:5300'", { address: "::1", port: 5300 }],
    ["'::1'", { address: "::1", port: 53 }],
    [
      "{ address: 127.0.0.1, port: 1, source: [10.0.0.0/8] }",
      { address: "127.0.0.1", port: 1, source: ["10.0.0.0/8"] },
    ],
  ])("listen: %s", (text, listen) => {
    const [change] = one(
      `${NET}containers:\n  c: { networks: [n] }\nsandboxes:\n  s: { container: c, listen: ${text} }`,
      "sandbox.put",
    );
    expect(change?.sandbox.listen).toEqual([listen]);
  });

  test("variables", () => {
    const text = "networks:\n  n: { subnet: '${NET:-10.9.0.0/24}', driver: '$${D}' }";
    const network = (environment: object) => changesOf(text, environment)[0] as Extract<Given, { kind: "network.put" }>;
    expect(network({}).network).toMatchObject({ subnets: [{ cidr: "10.9.0.0/24" }], driver: "${D}" });
    expect(network({ NET: "10.8.0.0/24" }).network.subnets).toEqual([{ cidr: "10.8.0.0/24" }]);
  });

  test("options", () => {
    expect(parseConfig("", "f").options).toEqual({
      compat: "none",
      ttl: { stable: 600, dynamic: 5, negative: 5 },
      hostnames: false,
      upstreams: { resolvConf: "/etc/resolv.conf" },
      forwarder: { cache: 4096, maxInFlight: 1024 },
      workers: 1,
      transport: "batched",
    });
    const text =
      "upstreams: [192.0.2.1, {address: 192.0.2.2, domains: [corp.example]}]\nforwarder: {cache: false}\nttl: {dynamic: 1}";
    expect(parseConfig(text, "f").options).toMatchObject({
      upstreams: [
        { address: "192.0.2.1", port: 53 },
        { address: "192.0.2.2", port: 53, domains: ["corp.example"] },
      ],
      forwarder: { cache: 0 },
      ttl: { stable: 600, dynamic: 1 },
    });
  });
});

test("a global service has a task per node, and sandboxes find them by node", () => {
  const config = parseConfig(
    `${NET}services: { g: { mode: global, networks: [n], tasks: [{ node: one }, { node: two }] } }
sandboxes: { s: { task: g.two, listen: "127.0.0.1:0" } }`,
    "f",
  );
  const changes = meant(config);
  const tasks = changes.flatMap((c) => (c.kind === "task.put" ? [c.task] : []));
  expect(tasks.map((t) => [t.slot, t.node])).toEqual([
    [undefined, "one"],
    [undefined, "two"],
  ]);
  expect(changes.at(-1)).toMatchObject({ sandbox: { member: { kind: "task", id: tasks[1]!.id } } });
});

describe("sandboxes in namespaces, and balancing", () => {
  const SANDBOX = "containers: { c: { networks: [n] } }\nsandboxes:\n  s: { container: c, ";
  const sandboxOf = (text: string) =>
    meant(parseConfig(`${NET}${SANDBOX}${text} }`, "f")).flatMap((c) =>
      c.kind === "sandbox.put" ? [c.sandbox] : [],
    )[0];

  test("a namespace is answered on 127.0.0.11:53, and balanced in", () => {
    expect(sandboxOf("netns: web, bind: redirect, resolv_conf: /x")).toMatchObject({
      netns: "web",
      bind: "redirect",
      resolvConf: "/x",
      listen: [{ address: "127.0.0.11", port: 53 }],
    });
    expect(sandboxOf("netns: web, resolv_conf: { root: /c, path: etc/resolv.conf }")).toMatchObject({
      resolvConf: { root: "/c", path: "etc/resolv.conf" },
    });
    const balance = (text: string) => parseConfig(`${NET}${SANDBOX}${text}`, "f").options.balance;
    expect(balance("netns: 4711 }")).toEqual({ backend: "auto", placement: "sandbox", node: "node-1", networks: [] });
    expect(balance("netns: 4711 }\nbalance: { backend: none }")).toBeUndefined();
    expect(balance("listen: 127.0.0.1:53 }")).toBeUndefined();
  });

  test.each([
    ["redirect nowhere", "bind: redirect", /f\.yaml:5:6: sandboxes\.s: bind: redirect and resolv_conf need a netns/],
    ["unknown bind", "netns: x, bind: both", /sandboxes\.s\.bind: must be "direct" or "redirect"/],
    ["no pid", "netns: -1", /sandboxes\.s\.netns/],
  ])("%s", (_, text, expected) => expect(complaint(`${NET}${SANDBOX}${text} }`)).toMatch(expected));

  test("a mesh brings the network that published ports need", () => {
    const text = `node: here
balance:
  mesh: { netns: ingress, ip: 10.9.0.2, host: { bridge: gw, to: 172.30.0.2 } }
${NET}services: { web: { networks: [n], ports: ["8080:80"], balance: { affinity: 60, drain: 5 } } }`;
    const { options, changes } = parseConfig(text, "f");
    expect(options.balance).toEqual({
      backend: "auto",
      placement: "sandbox",
      node: "here",
      networks: [],
      mesh: {
        ingress: { netns: "/run/netns/ingress", device: "eth0", ip4: "10.9.0.2" },
        host: { bridge: "gw", to4: "172.30.0.2" },
      },
    });
    const registry = new Registry();
    registry.apply(changes);
    const [web] = registry.state.services.values();
    expect(web).toMatchObject({ mesh: { network: "ingress" }, balance: { affinity: 60, drain: 5 } });
    const [task] = registry.state.tasks.values();
    expect(task).toMatchObject({ node: "here", endpoints: [{ network: "n" }, { network: "ingress" }] });
  });

  test.each([
    ["affinity", "balance: { affinity: 0 }", /services\.web\.balance\.affinity: must be at least 1/],
    ["scheduler", "balance: { scheduler: random }", /services\.web\.balance\.scheduler: must be "rr"/],
    ["weight", "tasks: [{ weight: 0 }]", /services\.web\.tasks\.0\.weight: must be at least 1/],
    ["traffic", "ports: [{ target: 80, traffic: near }]", /services\.web\.ports\.0/],
    ["port of a VIP", "vip_ports: some", /services\.web\.vip_ports: must be "all" or "declared"/],
    ["VIP", "endpoint_mode: dnsrr, vip_ports: declared", /services\.web\.vip_ports: a dnsrr service has no VIP/],
    ["declaration", "vip_ports: declared", /services\.web\.vip_ports: declared without ports refuses everything/],
    ["balance", "endpoint_mode: dnsrr, balance: { drain: 5 }", /services\.web\.balance: a dnsrr service has no VIP/],
  ])("bad %s", (_, text, expected) =>
    expect(complaint(`${NET}services: { web: { networks: [n], ${text} } }`)).toMatch(expected),
  );
});

test.each([
  ["placement: network", /balance\.placement: needs balance\.networks/],
  ["networks: { other: { netns: x, ip: 10.0.1.3 } }", /networks\.other: there is no network "other"/],
  ["networks: { n: { netns: x } }", /networks\.n: needs its ip or ip6/],
  ["mesh: { netns: x, ip: 10.0.0.2, host: { bridge: gw } }", /mesh\.host: needs to or to6/],
  [
    'mesh: { netns: x, ip: 10.0.0.2, device: "eth 0", host: { bridge: gw, to: 10.0.0.2 } }',
    /mesh\.device: must be an interface's name: 1 to 15 visible ASCII/,
  ],
  [
    "mesh: { netns: x, ip: 10.0.0.2, host: { bridge: gü, to: 10.0.0.2 } }",
    /mesh\.host\.bridge: must be an interface's/,
  ],
  ["mesh: { netns: x, host: { bridge: gw, to: 10.0.0.2 } }", /mesh: needs the ingress sandbox's ip or ip6/],
  ["idle: { tcp: 0 }", /idle\.tcp: must be at least 1/],
  ["idle: { tcp: 3600, udp: 60 }", /^good$/],
])("balance: { %s }", (text, expected) =>
  expect(complaint(`${NET}services: { web: { networks: [n] } }\nbalance: { ${text} }`)).toMatch(expected),
);

describe("examples", () => {
  const files = readdirSync("examples").filter((f) => f.endsWith(".yaml"));
  test.each(files)("%s is good", (file) => {
    expect(complaint(readFileSync(`examples/${file}`, "utf8"))).toBe("good");
  });

  test("eleven.schema.json is what `npx tsx scripts/schema.ts` writes", () => {
    expect(JSON.parse(readFileSync("examples/eleven.schema.json", "utf8"))).toEqual(
      JSON.parse(JSON.stringify(configJsonSchema())),
    );
  });
});

test("a ConfigError says what it is by its code, like every error of ours", () => {
  expect(() => parseConfig("networks: 1")).toThrow(expect.objectContaining({ name: "ConfigError", code: "config" }));
});
