/** What errors quote of what they were given: enough to know it by, never all of a megabyte. */
import { expect, test } from "vitest";
import { parseConfig } from "../../src/config/load.ts";
import { createNode } from "../../src/daemon.ts";
import { brief } from "../../src/model/quote.ts";
import { Registry } from "../../src/registry/registry.ts";
import { changes } from "../support/world.ts";

test.each([
  ["short text", "web", "web"],
  ["two hundred characters", "x".repeat(200), "x".repeat(200)],
  ["one more", "x".repeat(201), `${"x".repeat(200)}… (201 characters)`],
  ["a whole one before the end", `🦊${"x".repeat(199)}`, `🦊${"x".repeat(198)}… (201 characters)`],
  ["a character that would be cut in two", `${"x".repeat(199)}🦊`, `${"x".repeat(199)}… (201 characters)`],
])("%s", (_, text, expected) => expect(brief(text)).toBe(expected));

const LONG = "x".repeat(1_000_000);
/** As long as a name may be. */
const NAME = "x".repeat(253);
const WORLD = `network n overlay 10.0.1.0/24\n service web on n\n container ${NAME} on n\n network ${NAME} overlay`;

/** Every way to have something long quoted. */
const applied: readonly (readonly [name: string, change: unknown])[] = [
  ["a key that nobody knows", { kind: "network.put", network: { name: "a", [LONG]: 1 } }],
  ["a key of labels", { kind: "network.put", network: { name: "a", driver: { [LONG]: 1 } } }],
  ["a label", { kind: "task.put", task: { service: "web", labels: { [LONG]: 1 } } }],
  ["a kind", { kind: LONG }],
  ["a name with something else wrong", { kind: "network.put", network: { name: LONG, internal: 1 } }],
  ["a network's name", { kind: "network.put", network: { name: `a\n${LONG}` } }],
  ["a network's other id", { kind: "network.put", network: { name: NAME, id: "b" } }],
  ["a network that is in use", { kind: "network.remove", id: "n" }],
  ["a subnet", { kind: "network.put", network: { name: "a", subnets: [{ cidr: LONG }] } }],
  ["a gateway", { kind: "network.put", network: { name: "a", subnets: [{ cidr: "10.9.0.0/24", gateway: LONG }] } }],
  ["another's network", { kind: "network.put", network: { name: "a", subnets: [{ cidr: "10.0.0.0/24" }] } }],
  ["an upstream", { kind: "network.put", network: { name: "a", upstreams: [{ address: LONG }] } }],
  ["a service's name", { kind: "service.put", service: { name: LONG } }],
  ["a service's VIP", { kind: "service.put", service: { name: "a", networks: [{ network: "n", vip4: LONG }] } }],
  ["a service's network", { kind: "service.put", service: { name: "a", networks: [{ network: `y${LONG}` }] } }],
  [
    "a dnsrr VIP",
    { kind: "service.put", service: { name: "a", mode: "dnsrr", networks: [{ network: "n", vip4: LONG }] } },
  ],
  [
    "an alias",
    { kind: "container.put", container: { name: "a", endpoints: [{ network: "n", aliases: [`\n${LONG}`] }] } },
  ],
  ["an address", { kind: "container.put", container: { name: "a", endpoints: [{ network: "n", ip4: LONG }] } }],
  [
    "another's address",
    { kind: "container.put", container: { name: "a", endpoints: [{ network: "n", ip4: "10.0.1.3" }] } },
  ],
  ["another's name", { kind: "container.put", container: { name: NAME, id: "b" } }],
  ["a hostname", { kind: "container.put", container: { name: "a", hostname: `\n${LONG}` } }],
  ["an owner", { kind: "container.put", container: { name: NAME, hostname: "\n", id: NAME } }],
  ["a task's service", { kind: "task.put", task: { service: LONG } }],
  ["a task's node", { kind: "task.put", task: { service: "web", node: LONG, endpoints: [{ network: "m" }] } }],
  ["a task's network", { kind: "task.put", task: { service: "web", endpoints: [{ network: LONG }] } }],
  ["what is patched", { kind: "task.patch", id: LONG, patch: {} }],
  ["a range of ports", { kind: "service.put", service: { name: "a", ports: [{ target: LONG, published: 1 }] } }],
  [
    "a port's source",
    { kind: "service.put", service: { name: "a", ports: [{ target: 1, published: 1, sources: [LONG] }] } },
  ],
  ["a sandbox's id", { kind: "sandbox.put", sandbox: { id: `\n${LONG}`, member: { kind: "container", id: "c" } } }],
  ["a sandbox's member", { kind: "sandbox.put", sandbox: { member: { kind: "container", id: `y${LONG}` } } }],
  [
    "where a sandbox listens",
    { kind: "sandbox.put", sandbox: { member: { kind: "task", id: "c" }, listen: [{ address: LONG }] } },
  ],
  ["a source", { kind: "sandbox.put", sandbox: { member: { kind: "task", id: "c" }, listen: [{ source: [LONG] }] } }],
  ["a file", { kind: "sandbox.put", sandbox: { member: { kind: "task", id: "c" }, netns: "x", resolvConf: LONG } }],
  [
    "a file below",
    {
      kind: "sandbox.put",
      sandbox: { member: { kind: "task", id: "c" }, netns: "x", resolvConf: { root: "/", path: `../${LONG}` } },
    },
  ],
  [
    "a root",
    {
      kind: "sandbox.put",
      sandbox: { member: { kind: "task", id: "c" }, netns: "x", resolvConf: { root: LONG, path: "x" } },
    },
  ],
];

test.each(applied)("of a change: %s", (_, change) => {
  const registry = new Registry();
  registry.apply(changes(WORLD));
  expect(thrown(() => registry.apply([change as never])).length).toBeLessThan(1_000);
});

test.each([
  ["a sandbox of no node's", () => void createNode({ workers: 0 }).listening(LONG)],
  ["an option that there is not", () => void createNode({ [LONG]: 1 } as never)],
  ["an option's value", () => void createNode({ policy: { compat: LONG } } as never)],
])("%s", (_, work) => expect(thrown(work).length).toBeLessThan(1_000));

test.each([
  ["a key", `networks: { n: { ${LONG}: 1 } }`],
  ["a network's name with something wrong inside", `networks: { ${LONG}: 1 }`],
  ["a network's name", `networks: { "${LONG}\\n": {} }`],
  ["a subnet", `networks: { n: { subnet: ${LONG} } }`],
  ["an address", `services: { s: { networks: { n: { ip: ${LONG} } } } }`],
  ["a port", `services: { s: { ports: [ ${LONG} ] } }`],
  ["a range of ports", `services: { s: { networks: [], ports: [ { target: ${LONG} } ] } }`],
  ["a word that must be another", `compat: ${LONG}`],
  ["a listening address", `sandboxes: { s: { container: c, listen: ${LONG} } }`],
  ["a container that is not there", `sandboxes: { s: { container: ${LONG} } }`],
  ["a variable", `node: "\${${LONG}}"`],
  ["an alias of YAML's", `a: *${LONG}`],
  ["a tag", `a: !${LONG} b`],
])("of a config file: %s", (_, text) =>
  expect(thrown(() => void parseConfig(text, "f.yaml", {})).length).toBeLessThan(1_500),
);

/** All that there is to read in an error. */
function thrown(work: () => void): string {
  try {
    work();
  } catch (error) {
    const { message, path } = error as Error & { readonly path?: string };
    return `${message} ${path}`;
  }
  throw new Error("nothing was thrown");
}
