/** Names that Docker takes are taken, and those that DNS has no form for are asked for by another, or not at all. */
import { describe, expect, test } from "vitest";
import type { Change, Container, Network, Service } from "../../src/model/types.ts";
import { Registry } from "../../src/registry/registry.ts";
import { Compiler } from "../../src/scoping/compile.ts";
import { Tables } from "../../src/scoping/tables.ts";
import { look } from "../support/look.ts";

/** 113 characters: what a CI system was seen to call its network. */
const LONG = `runner-${"0123456789".repeat(10)}-build`;
const L64 = "x".repeat(64);

const network = (name: string): Change => ({
  kind: "network.put",
  network: {
    id: "n",
    name,
    driver: "bridge",
    ingress: false,
    defaultBridge: false,
    internal: false,
    subnets: [{ cidr: "10.0.1.0/24" }],
  } satisfies Network,
});
const container = (name: string, aliases: string[] = [], more: Partial<Container> = {}): Change => ({
  kind: "container.put",
  container: {
    id: "c",
    name,
    state: "running",
    endpoints: [{ network: "n", aliases, links: [{ target: L64, alias: "l" }], priority: 0, ip4: "10.0.1.9" }],
    labels: {},
    ...more,
  },
});
const service = (aliases: string[]): Change => ({
  kind: "service.put",
  service: {
    id: "s",
    name: "web",
    mode: "vip",
    publish: "healthy",
    networks: [{ network: "n", aliases, vip4: "10.0.1.5" }],
    ports: [{ protocol: "tcp", target: 80, mode: "host" }],
    labels: {},
  } satisfies Service,
});
const SANDBOX = {
  kind: "sandbox.put",
  sandbox: { id: "here", member: { kind: "container", id: "c" }, listen: [] },
} satisfies Change;

function tablesOf(...changes: Change[]): Tables {
  const registry = new Registry();
  registry.apply([...changes, SANDBOX]);
  const tables = new Tables();
  tables.apply(new Compiler().compile(registry.state, "all"));
  return tables;
}

describe.each([LONG, "my net", "a..b", "a.", ".hidden", L64, "^", "naïve", "constructor", "__proto__", "toString"])(
  "a network called %j",
  (name) => {
    // Anew in each test: `npm run mutate` asks which test runs what.
    const tables = () => tablesOf(network(name), container("c"), service([]));
    const plain = ["my net", "^", "naïve", "a.", "constructor", "__proto__", "toString"].includes(name);
    const full = (c: string) => `${c}.${name}`;

    test.each([
      ["c A", "10.0.1.9 ttl=5"],
      ["web A", "10.0.1.5 ttl=600"],
      ["9.web A", "NXDOMAIN"],
      ["nosuch A", "forward"],
    ])("%s: %s", (question, expected) => expect(look(tables(), "here", question)).toBe(expected));

    test("records lead to names that can be asked for", () => {
      const target = plain ? full("c").replace(/\.$/, "").replace(" ", "\\032").replace("ï", "\\195\\175") : "c";
      expect(look(tables(), "here", "9.1.0.10.in-addr.arpa PTR")).toBe(`${target} ttl=5`);
      expect(look(tables(), "here", "_80._tcp.web SRV")).toBe(
        `80/${target.replace(/^c/, "web")} ttl=600`.toLowerCase(),
      );
    });
  },
);

test.each([
  [container(L64), "9.1.0.10.in-addr.arpa PTR", "NXDOMAIN"], // nothing to point to
  [container(L64, ["ok"]), "ok A", "10.0.1.9 ttl=5"],
  [container("c", [L64, "a..b", "ok"]), "ok A", "10.0.1.9 ttl=5"],
  [container("c", [], { hostname: "h".repeat(64) }), "c A", "10.0.1.9 ttl=5"],
  [container("__proto__", ["constructor"]), "__proto__ A", "10.0.1.9 ttl=5"],
  [container("__proto__", ["constructor"]), "constructor A", "10.0.1.9 ttl=5"],
  [container("c"), "toString A", "forward"],
  [
    container("c", [], { labels: { __proto__: "x", constructor: "y", long: "z".repeat(65_500) } }),
    "c A",
    "10.0.1.9 ttl=5",
  ],
  [
    container("c", [], { labels: { constructor: "y", long: "z".repeat(65_500) } }),
    "c TXT",
    "constructor=y|container=c ttl=5",
  ],
])("%#: %s is %s", (change, question, expected) => {
  expect(look(tablesOf(network("n"), change), "here", question)).toBe(expected);
});

test.each<[Partial<Container>, string, string]>([
  [{ name: "front-server-1", id: "0123456789abcdef" }, "0123456789ab A", "10.0.1.9 ttl=5"],
  [{ name: "front-server-1", id: "front-server-1" }, "front-server-1 A", "10.0.1.9 ttl=5"],
  [{ name: "front-server-1", id: "front-server-1" }, "front-server A", "forward"], // its name is its id: that has no short form
])("%#: a container %j: %s is %s", (named, question, expected) => {
  const registry = new Registry();
  const member = { kind: "container", id: named.id! } as const;
  registry.apply([network("n"), container("c", [], named), { kind: "sandbox.put", sandbox: { id: "here", member } }]);
  const tables = new Tables();
  tables.apply(new Compiler().compile(registry.state, "all"));
  expect(look(tables, "here", question)).toBe(expected);
});

test.each([
  [container("a b"), 'container a b: name "a b" has white space'],
  [container("c", ["a\u001b"]), 'name "a\\u001b" has control characters'],
  [network(" "), 'network: name " " is empty'],
  [network("a\nb"), 'network: name "a\\nb" has control characters'],
  [{ kind: "sandbox.put", sandbox: { ...SANDBOX.sandbox, id: "a\nb" } } as Change, "has control characters"],
])("%#: refused: %s", (change, message) => {
  expect(() => new Registry().apply([network("n"), change])).toThrow(message);
});

test("what an earlier release has stored is restored whatever it is called, and may go", () => {
  const registry = new Registry();
  const before = { labels: { a: "z".repeat(70_000) }, state: "running" as const, endpoints: [] };
  registry.restore([{ kind: "container.put", container: { ...before, id: ".", name: "x".repeat(300) } }], 1);
  expect([...registry.state.containers.keys()]).toEqual(["."]);
  registry.apply([{ kind: "container.remove", id: "." }]);
  expect(registry.state.containers.size).toBe(0);
});
