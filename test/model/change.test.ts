/** Changes as people write them: what is refused, with its path and what would be right; and what is meant by what is left out. */
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { readChange } from "../../src/model/change.ts";
import type { ChangeInput } from "../../src/model/input.ts";
import { changeSchema } from "../../src/model/schema.ts";
import type { Change } from "../../src/model/types.ts";

/** The compiler's part: the schema takes what the types allow and nothing else, field by field; and what came to be may be put again. */
type Plain<T> = T extends object ? { -readonly [K in keyof T]: Plain<T[K]> } : T;
/** With every field there, so that one that is in one of the two only is seen. */
type Full<T> = T extends object ? { -readonly [K in keyof T]-?: Full<Exclude<T[K], undefined>> } : T;
type Either<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
type Same<A, B> = Either<Plain<A>, Plain<B>> & Either<Full<A>, Full<B>>;
type PutOf<T, K> = Extract<T, { readonly kind: K }>;
type SchemaInput = z.input<typeof changeSchema>;
const same: {
  readonly [K in Change["kind"] as K extends `${string}.put` ? K : never]: Same<
    PutOf<ChangeInput, K>,
    PutOf<SchemaInput, K>
  >;
} = { "network.put": true, "service.put": true, "task.put": true, "container.put": true, "sandbox.put": true };
const again = (change: Change): ChangeInput => change;

test("types and schema are the same", () => expect([Object.values(same).every(Boolean), again]).toBeTruthy());

const TASK = { service: "web", slot: 1 };
const task = (more: object) => ({ kind: "task.put", task: { ...TASK, ...more } });
const service = (more: object) => ({ kind: "service.put", service: { name: "web", ...more } });
const container = (more: object) => ({ kind: "container.put", container: { name: "c", ...more } });
const network = (more: object) => ({ kind: "network.put", network: { name: "n", ...more } });
const sandbox = (more: object) => ({ kind: "sandbox.put", sandbox: { member: { kind: "task", id: "t" }, ...more } });

test.each<[string, unknown, string]>([
  ["nothing", undefined, "change: it is missing"],
  ["null", null, "change: it must be an object, not null"],
  ["a list", [], "change: it must be an object, not a list"],
  ["no kind", {}, 'change: kind must be "network.put" or "service.put"'],
  ["unknown kind", { kind: "net.put" }, '"sandbox.remove", not "net.put"'],
  ["a kind that is in every object", { kind: "constructor" }, 'not "constructor"'],
  ["put of nothing", { kind: "task.put" }, "task.put: task is missing"],
  ["put of null", { kind: "task.put", task: null }, "task.put: task must be an object, not null"],
  [
    "put of another kind of object",
    { kind: "task.put", service: {} },
    "task.put: service is no field; there are kind, task",
  ],
  ["remove without an id", { kind: "task.remove" }, "task.remove: id is missing"],
  ["remove of an empty id", { kind: "task.remove", id: "" }, "task.remove: id must not be empty"],
  ["empty id", task({ id: "" }), "task.put: task.id must not be empty"],
  ["no service", { kind: "task.put", task: {} }, "task.put: task.service is missing"],
  [
    "unknown state",
    task({ id: "x", state: "up" }),
    'task.put "x": task.state must be "starting" or "running" or "paused"',
  ],
  ["unknown health", task({ health: "ill" }), '"unhealthy", not "ill"'],
  ["a task that is known by its slot", task({ state: "up" }), 'task.put "web.1": task.state must be'],
  ["state null", task({ state: null }), "not null"],
  ["slot 0", task({ slot: 0 }), "task.slot must be at least 1, not 0"],
  ["slot of text", task({ slot: "1" }), 'task.slot must be a number, not "1"'],
  ["slot NaN", task({ slot: Number.NaN }), "task.slot must be a number, not NaN"],
  ["half a weight", task({ weight: 1.5 }), "task.weight must be a whole number, not 1.5"],
  ["endpoint null", task({ endpoints: [{ network: "n" }, null] }), "task.endpoints[1] must be an object, not null"],
  ["a hole in a list", task({ endpoints: new Array(1) }), "task.endpoints[0] is missing"],
  [
    "alias of no text",
    task({ endpoints: [{ network: "n", aliases: [1] }] }),
    "task.endpoints[0].aliases[0] must be a string, not 1",
  ],
  ["endpoints of no list", task({ endpoints: { network: "n" } }), "task.endpoints must be a list, not an object"],
  [
    "unknown field, which hides a missing one",
    { kind: "network.put", network: { nmae: "n" } },
    "network.nmae is no field; there are name, id, driver",
  ],
  [
    "unknown field, deep",
    task({ endpoints: [{ network: "n", ip: "10.0.0.1" }] }),
    "task.endpoints[0].ip is no field; there are network, ip4",
  ],
  [
    "unknown field in one of two forms",
    sandbox({ resolvConf: { root: "/", file: "x" } }),
    "sandbox.resolvConf.file is no field; there are root, path",
  ],
  [
    "unknown field beside the object",
    { kind: "task.put", task: TASK, id: "x" },
    "id is no field; there are kind, task",
  ],
  [
    "negative TTL",
    service({ ttl: { stable: -1 } }),
    'service.put "web": service.ttl.stable must be at least 0, not -1',
  ],
  [
    "too large a TTL",
    network({ ttl: { dynamic: 2 ** 31 } }),
    "network.ttl.dynamic must be at most 2147483647, not 2147483648",
  ],
  [
    "endless TTL",
    network({ ttl: { dynamic: Infinity } }),
    "network.ttl.dynamic must be a number, not Infinity (it is too large to be held)",
  ],
  ...[".", ".."].flatMap((name): [string, unknown, string][] => [
    [`network ${name}`, network({ name }), `network.name must be a name that a URL can have, not "${name}"`],
    [`service ${name}`, service({ name }), `service.name must be a name that a URL can have, not "${name}"`],
    [`container ${name}`, container({ name }), `container.name must be a name that a URL can have, not "${name}"`],
    [`sandbox id ${name}`, sandbox({ id: name }), `sandbox.id must be a name that a URL can have, not "${name}"`],
    [`task id ${name}`, task({ id: name }), `task.id must be a name that a URL can have, not "${name}"`],
  ]),
  ["half a character", network({ name: "a\ud83d" }), 'network.name must have whole characters only, not "a\\ud83d"'],
  ["half a character in an id", network({ id: "\udc33" }), 'network.id must have whole characters only, not "\\udc33"'],
  [
    "half a character in a patch",
    { kind: "container.patch", id: "c", patch: { name: "\udc33" } },
    "patch.name must have whole characters only",
  ],
  ["a long network", network({ name: "ü".repeat(513) }), "network.name must be at most 1024 octets long, not 1026"],
  ["a long id", task({ id: "i".repeat(1_025) }), "task.id must be at most 1024 octets long, not 1025"],
  ["a long container", container({ name: "c".repeat(254) }), "container.name must be at most 253 octets long, not 254"],
  ["a long host name", task({ hostname: "h".repeat(254) }), "task.hostname must be at most 253 octets long"],
  [
    "a long alias",
    service({ networks: [{ network: "n", aliases: ["ok", "ü".repeat(127)] }] }),
    "service.networks[0].aliases[1] must be at most 253 octets long",
  ],
  [
    "a long link",
    container({ endpoints: [{ network: "n", links: [{ target: "db", alias: "l".repeat(254) }] }] }),
    "container.endpoints[0].links[0].alias must be at most 253 octets long",
  ],
  [
    "many labels",
    container({ labels: Object.fromEntries(Array.from({ length: 1_001 }, (_, i) => [`l${i}`, ""])) }),
    "container.labels must be at most 1000, not 1001",
  ],
  [
    "large labels",
    service({ labels: { a: "ü".repeat(32_768) } }),
    "service.labels must have at most 65536 octets in all, not 65537",
  ],
  ["label of no text", service({ labels: { a: 1 } }), "service.labels.a must be a string, not 1"],
  ["labels null", service({ labels: null }), "service.labels must be an object, not null"],
  ["labels of a list", service({ labels: ["a=b"] }), "service.labels must be an object, not a list"],
  ["port 65536", service({ ports: [{ target: 65_536 }] }), "service.ports[0].target must be at most 65535, not 65536"],
  [
    "a port in words",
    service({ ports: [{ target: "http" }] }),
    'service.ports[0].target must be a port from 1 to 65535 or a range such as "8000-8010", not "http"',
  ],
  ["a range that goes down", service({ ports: [{ target: "81-80" }] }), 'or a range such as "8000-8010", not "81-80"'],
  [
    "a range that is too wide",
    service({ ports: [{ target: "1-1001" }] }),
    'service.ports[0].target must be a range of at most 1000 ports, not "1-1001"',
  ],
  [
    "fewer ports outside than inside",
    service({ ports: [{ target: "80-89", published: "8080-8088" }] }),
    'service.ports[0].published must have as many ports as target (10), not "8080-8088"',
  ],
  [
    "one port outside for many inside",
    { kind: "service.patch", id: "web", patch: { ports: [{ target: "80-89", published: 8080 }] } },
    "patch.ports[0].published must have as many ports as target (10), not 8080",
  ],
  [
    "a range that is none, of a published port",
    service({ ports: [{ target: "80-x", published: 8080 }] }),
    'service.ports[0].target must be a port from 1 to 65535 or a range such as "8000-8010", not "80-x"',
  ],
  [
    "a number in quotes, where others are published",
    { kind: "service.patch", id: "web", patch: { ports: [{ target: 80, published: "8080" }] } },
    'patch.ports[0].published must be a port from 1 to 65535 or a range such as "8000-8010", not "8080"',
  ],
  [
    "too many sources",
    service({ ports: [{ target: 80, published: 80, sources: Array(1_001).fill("::1") }] }),
    "service.ports[0].sources must be at most 1000 long, not 1001",
  ],
  [
    "no sources",
    service({ ports: [{ target: 80, sources: [] }] }),
    "service.ports[0].sources must be at least 1 long, not 0",
  ],
  ["unknown ports of a VIP", service({ vipPorts: "some" }), 'service.vipPorts must be "all" or "declared", not "some"'],
  ["affinity 0", service({ balance: { affinity: 0 } }), "service.balance.affinity must be at least 1, not 0"],
  ["resolvConf of a number", sandbox({ resolvConf: 5 }), "sandbox.resolvConf must be"],
  [
    "a member of no kind",
    sandbox({ member: { id: "t" } }),
    'sandbox.member.kind must be "container" or "task", not undefined',
  ],
  [
    "id of __proto__ in disguise",
    JSON.parse('{"kind":"network.put","network":{"name":"n","__proto__":{}}}'),
    "network.__proto__ is no field",
  ],
  [
    "patch of an id",
    { kind: "task.patch", id: "t", patch: { id: "u" } },
    "patch.id can't be changed: remove the object, and put it",
  ],
  [
    "patch of what it has not",
    { kind: "task.patch", id: "t", patch: { vip: 1 } },
    "patch.vip is no field; there are service, slot, node",
  ],
  ["patch to nothing", { kind: "task.patch", id: "t" }, 'task.patch "t": patch is missing'],
  [
    "patch of what must be there",
    { kind: "service.patch", id: "s", patch: { name: null } },
    "patch.name must be a string, not null",
  ],
  [
    "patch, wrong inside",
    { kind: "service.patch", id: "s", patch: { ports: [{}] } },
    "patch.ports[0].target is missing",
  ],
])("refused: %s", (_, change, message) => {
  const read = readChange(change);
  if (read.kind !== "none") expect.unreachable(JSON.stringify(read));
  expect(`${read.called}: ${read.path || "it"} ${read.message}`).toContain(message);
});

describe("what is left out", () => {
  test.each<[string, ChangeInput, object]>([
    [
      "network",
      { kind: "network.put", network: { name: "n" } },
      { id: "n", name: "n", driver: "overlay", ingress: false, defaultBridge: false, internal: false, subnets: [] },
    ],
    [
      "service",
      { kind: "service.put", service: { name: "web", networks: [{ network: "n" }], ports: [{ target: 80 }] } },
      {
        id: "web",
        name: "web",
        mode: "vip",
        publish: "healthy",
        networks: [{ network: "n", aliases: [] }],
        ports: [{ target: 80, protocol: "tcp", mode: "ingress" }],
        labels: {},
      },
    ],
    [
      "ranges of ports, each port by itself",
      {
        kind: "service.put",
        service: {
          name: "sip",
          vipPorts: "declared",
          ports: [
            { target: "5060-5061", published: "6060-6061", protocol: "udp", sources: ["10.0.0.0/8"] },
            { target: "80-81", published: 0 },
            { target: "90-90" },
          ],
        },
      },
      {
        id: "sip",
        name: "sip",
        mode: "vip",
        publish: "healthy",
        networks: [],
        ports: [
          { target: 5060, published: 6060, protocol: "udp", mode: "ingress", sources: ["10.0.0.0/8"] },
          { target: 5061, published: 6061, protocol: "udp", mode: "ingress", sources: ["10.0.0.0/8"] },
          { target: 80, published: 0, protocol: "tcp", mode: "ingress" },
          { target: 81, published: 0, protocol: "tcp", mode: "ingress" },
          { target: 90, protocol: "tcp", mode: "ingress" },
        ],
        vipPorts: "declared",
        labels: {},
      },
    ],
    [
      "task",
      { kind: "task.put", task: { service: "web", slot: 2, endpoints: [{ network: "n" }] } },
      {
        id: "web.2",
        service: "web",
        slot: 2,
        node: "node-1",
        state: "running",
        health: "none",
        endpoints: [{ network: "n", aliases: [], links: [], priority: 0 }],
        labels: {},
      },
    ],
    [
      "task of a global service",
      { kind: "task.put", task: { service: "web", node: "b" } },
      { id: "web.b", service: "web", node: "b", state: "running", health: "none", labels: {} },
    ],
    [
      "container",
      { kind: "container.put", container: { name: "c" } },
      { id: "c", name: "c", state: "running", endpoints: [], labels: {} },
    ],
    [
      "sandbox",
      { kind: "sandbox.put", sandbox: { member: { kind: "container", id: "c" } } },
      { id: "c", member: { kind: "container", id: "c" }, listen: [] },
    ],
    [
      "sandbox in a namespace",
      {
        kind: "sandbox.put",
        sandbox: { member: { kind: "container", id: "c" }, netns: "x", upstreams: [{ address: "::1" }] },
      },
      {
        id: "c",
        member: { kind: "container", id: "c" },
        netns: "x",
        listen: [{ address: "127.0.0.11", port: 53 }],
        upstreams: [{ address: "::1", port: 53 }],
      },
    ],
    [
      "undefined is left out, everywhere",
      {
        kind: "task.put",
        task: {
          service: "w",
          slot: undefined,
          id: undefined,
          hostname: undefined,
          endpoints: [{ network: "n", ip4: undefined, aliases: undefined }],
        },
      },
      {
        id: "w.node-1",
        service: "w",
        node: "node-1",
        state: "running",
        health: "none",
        labels: {},
        endpoints: [{ network: "n", aliases: [], links: [], priority: 0 }],
      },
    ],
  ])("%s", (_, change, expected) => {
    const read = readChange(change) as { readonly kind: string; readonly [object: string]: unknown };
    expect(read[change.kind.split(".")[0]!]).toStrictEqual(expected);
  });
});

test("a label may be called anything", () => {
  const labels = JSON.parse('{"__proto__":"a","constructor":"b","toString":"c"}') as Record<string, string>;
  const read = readChange({ kind: "container.put", container: { name: "__proto__", labels } });
  if (read.kind !== "container.put") expect.unreachable();
  expect(Object.entries(read.container.labels)).toEqual(Object.entries(labels));
  expect(read.container.id).toBe("__proto__");
});

test("OpenAPI can be generated: each kind by its name, defaults and bounds included", () => {
  const json = z.toJSONSchema(changeSchema, { io: "input", unrepresentable: "any" });
  const forms = json.oneOf as { readonly properties: Record<string, { readonly const: string }> }[];
  expect(forms.map(({ properties }) => properties["kind"]?.const)).toEqual(
    ["put", "patch", "remove"].flatMap((verb) =>
      ["network", "service", "task", "container", "sandbox"].map((kind) => `${kind}.${verb}`),
    ),
  );
  expect(forms[2]?.properties["task"]).toMatchObject({
    required: ["service"],
    additionalProperties: false,
    properties: {
      state: { default: "running", enum: ["starting", "running", "paused", "draining", "stopped"] },
      weight: { minimum: 1, maximum: 65_535 },
      labels: { type: "object", additionalProperties: { type: "string" } },
    },
  });
  expect(forms[7]?.properties["patch"]).not.toHaveProperty("required");
  expect(JSON.stringify(json).match(/"(?!default)\w+":\{\}/g)).toBeNull(); // nothing that may be just anything
});
