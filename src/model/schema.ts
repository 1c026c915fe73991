/**
 * The one schema of a change: what may be given, of which type, and what is meant by what is left out. Of values alone; whether
 * they agree with what exists is the registry's to say. input.ts is the same for the compiler and for readers.
 */
import { z } from "zod";
import { CONTAINER_RESOLVER, DEFAULT_NODE, DNS_PORT } from "./defaults.ts";
import { isPlain, type Place } from "./issues.ts";
import { namingProblem } from "./name.ts";
import { publishedProblem, rangeProblem } from "./port-range.ts";

/** Of what is wrong with an object that is new, and can be lived with in one that was stored before there was this rule. */
const BOUND = { bound: true };
export const isBound = (issue: z.core.$ZodIssue): boolean => issue.code === "custom" && issue.params === BOUND;

/** Of an object that is there, whatever an earlier release let it be called. */
const id = z.string().min(1);
/** What is new. Octets: a name of DNS has 253. */
const named = (most: number, { least = 0, called = false } = {}) =>
  z
    .string()
    .min(least)
    .superRefine((text, ctx) => {
      const message = namingProblem(text, most, called);
      if (message !== undefined) ctx.addIssue({ code: "custom", message, params: BOUND });
    })
    .meta({ maxLength: most });
const dnsName = named(253);
const word = named(1_024, { least: 1 });
const newName = named(253, { called: true });
const newId = named(1_024, { least: 1, called: true });
const whole = (least: number, most: number) => z.int().min(least).max(most);
const seconds = whole(0, 2_147_483_647);
const port = (least: 0 | 1) => whole(least, 65_535);
/** Or a range of them. */
const ports = (least: 0 | 1) =>
  z.union([
    port(least),
    z.string().superRefine((text, ctx) => {
      const message = rangeProblem(text);
      if (message !== undefined) ctx.addIssue({ code: "custom", message });
    }),
  ]);
const source = id.optional().describe("the config file that it is written in; default: none, a program made it");
const list = <T extends z.ZodType>(of: T) => z.array(of).default([]);

/** Of one object: what is done with an object must not hold up the others. */
const LABELS = { number: 1_000, octets: 65_536 };

/** Not z.record, which leaves out a label called `__proto__`. */
const labels = z
  .custom<Record<string, string>>()
  .superRefine((given, ctx) => {
    const bad = (path: string[], expected: "object" | "string") =>
      ctx.addIssue({ code: "invalid_type", expected, input: given, path });
    if (typeof given !== "object" || given === null || !isPlain(given)) return bad([], "object");
    const all = Object.entries(given);
    let octets = 0;
    for (const [key, value] of all)
      if (typeof value === "string") octets += Buffer.byteLength(key) + Buffer.byteLength(value);
      else bad([key], "string");
    const wrong = (message: string) => ctx.addIssue({ code: "custom", message, params: BOUND });
    if (all.length > LABELS.number) wrong(`must be at most ${LABELS.number}, not ${all.length}`);
    if (octets > LABELS.octets) wrong(`must have at most ${LABELS.octets} octets in all, not ${octets}`);
  })
  .overwrite((given) => ({ ...given }))
  .meta({ type: "object", additionalProperties: { type: "string" } });

const upstream = z.strictObject({
  address: z.string(),
  port: port(1).default(DNS_PORT),
  domains: z.array(dnsName).optional(),
  host: z.boolean().optional(),
  netns: z.string().min(1).optional(),
});

const ttl = z.strictObject({ stable: seconds.optional(), dynamic: seconds.optional() });

const network = z.strictObject({
  name: named(1_024, { called: true }),
  id: newId.optional().describe("default: the name"),
  driver: word.default("overlay"),
  ingress: z.boolean().default(false).describe("the routing mesh: carries traffic, gives no names"),
  defaultBridge: z.boolean().default(false).describe("Docker's default bridge: gives no names"),
  internal: z.boolean().default(false).describe("nothing is forwarded for sandboxes on internal networks only"),
  subnets: list(z.strictObject({ cidr: z.string(), gateway: z.string().optional() })).describe(
    "empty: what it has, else the next free /24 of 10.0.0.0/8",
  ),
  upstreams: z.array(upstream).optional(),
  ttl: ttl.optional(),
  source,
});

const vips = { vip4: z.string().optional(), vip6: z.string().optional() };

const service = z.strictObject({
  name: newName,
  id: newId.optional().describe("default: the name"),
  networks: list(z.strictObject({ network: id, aliases: list(dnsName), ...vips })),
  mode: z.enum(["vip", "dnsrr"]).default("vip"),
  publish: z.enum(["healthy", "starting"]).default("healthy").describe("when tasks begin to answer"),
  ports: list(
    z
      .strictObject({
        target: ports(1).describe("port inside the task, or a range of them"),
        published: ports(0)
          .optional()
          .describe("as many as target; 0: allocated from 30000-32767; left out: known to SRV only"),
        protocol: z.enum(["tcp", "udp", "sctp"]).default("tcp"),
        mode: z.enum(["ingress", "host"]).default("ingress"),
        name: named(253, { least: 1 }).optional(),
        traffic: z.enum(["cluster", "local"]).optional(),
        sources: z.array(z.string()).min(1).max(1_000).optional().describe("who may reach it where it is published"),
      })
      .superRefine(({ target, published }, ctx) => {
        const message = publishedProblem(target, published);
        if (message !== undefined) ctx.addIssue({ code: "custom", message, path: ["published"] });
      }),
  ),
  vipPorts: z.enum(["all", "declared"]).optional().describe("which ports of its VIPs lead to its tasks, default all"),
  labels: labels.default({}),
  ttl: ttl.optional(),
  balance: z
    .strictObject({
      scheduler: z.enum(["rr", "wrr", "lc", "wlc", "sh", "mh"]).optional(),
      affinity: whole(1, 86_400).optional().describe("seconds that a client address stays with its task"),
      drain: whole(0, 86_400).optional().describe("seconds that a leaving task may finish its connections"),
    })
    .optional(),
  mesh: z.strictObject({ network: id, ...vips }).optional(),
  source,
});

const state = z.enum(["starting", "running", "paused", "draining", "stopped"]).default("running");

const endpoints = z.array(
  z.strictObject({
    network: id,
    ip4: z.string().optional(),
    ip6: z.string().optional(),
    aliases: list(dnsName),
    links: list(z.strictObject({ target: dnsName, alias: dnsName })),
    priority: z.int().default(0).describe("higher wins when a name is on several networks"),
  }),
);

const task = z.strictObject({
  service: id,
  slot: whole(1, Number.MAX_SAFE_INTEGER).optional(),
  node: word.default(DEFAULT_NODE),
  id: newId.optional().describe("default: service.slot, without a slot service.node"),
  state,
  health: z.enum(["none", "starting", "healthy", "unhealthy"]).default("none"),
  containerId: named(1_024).optional(),
  hostname: dnsName.optional(),
  endpoints: endpoints.optional().describe("default: all networks of the service"),
  labels: labels.default({}),
  weight: whole(1, 65_535).optional().describe("share of the service's connections, default 1"),
  source,
});

const container = z.strictObject({
  name: newName,
  id: newId.optional().describe("default: the name"),
  hostname: dnsName.optional(),
  state,
  endpoints: endpoints.default([]),
  labels: labels.default({}),
  source,
});

const sandbox = z.strictObject({
  member: z.strictObject({ kind: z.enum(["container", "task"]), id }),
  id: newId.optional().describe("default: the member's id"),
  listen: z
    .array(
      z.strictObject({
        address: z.string().default(CONTAINER_RESOLVER),
        port: port(0).default(DNS_PORT),
        source: z.array(z.string()).optional(),
      }),
    )
    .optional()
    .describe("default: 127.0.0.11 port 53 in netns, nowhere without one"),
  upstreams: z.array(upstream).optional().describe("default: the networks', else the node's"),
  ndots: z.int().min(0).optional(),
  search: z.array(dnsName).optional(),
  netns: z.string().min(1).optional().describe("a path, a pid, or a name that ip netns knows"),
  bind: z.enum(["direct", "redirect"]).optional(),
  resolvConf: z.union([z.string(), z.strictObject({ root: z.string(), path: z.string() })]).optional(),
  source,
});

/** The fields of an object but its id and source, each of which may be left out; null where a put may leave it out, too. */
function patchOf({ shape }: z.ZodObject): z.ZodObject {
  const { id: _, source: __, ...fields } = shape;
  const loose = (field: z.ZodType): z.ZodType => {
    const plain = inside(field);
    const free = plain === field ? plain : plain.nullable();
    return (field.description === undefined ? free : free.describe(field.description)).optional();
  };
  return z.strictObject(Object.fromEntries(Object.entries(fields).map(([name, f]) => [name, loose(f as z.ZodType)])));
}

/** What a field is if it is there. */
function inside(field: z.ZodType): z.ZodType {
  const wrapped = field instanceof z.ZodDefault || field instanceof z.ZodOptional || field instanceof z.ZodNullable;
  return wrapped ? inside(field.unwrap() as z.ZodType) : field;
}

const patch = <K extends string>(kind: K, object: z.ZodObject) =>
  z.strictObject({ kind: z.literal(kind), id, patch: patchOf(object) });

export const changeSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("network.put"), network }),
  z.strictObject({ kind: z.literal("service.put"), service }),
  z.strictObject({ kind: z.literal("task.put"), task }),
  z.strictObject({ kind: z.literal("container.put"), container }),
  z.strictObject({ kind: z.literal("sandbox.put"), sandbox }),
  patch("network.patch", network),
  patch("service.patch", service),
  patch("task.patch", task),
  patch("container.patch", container),
  patch("sandbox.patch", sandbox),
  z.strictObject({ kind: z.literal("network.remove"), id }),
  z.strictObject({ kind: z.literal("service.remove"), id }),
  z.strictObject({ kind: z.literal("task.remove"), id }),
  z.strictObject({ kind: z.literal("container.remove"), id }),
  z.strictObject({ kind: z.literal("sandbox.remove"), id }),
]);

/** The fields that an object at `place` of a change may have, for people who wrote another. */
export function fieldsAt(change: unknown, place: Place): string[] {
  const { kind } = change as { readonly kind: string };
  const form = changeSchema.options.find(({ shape }) => shape.kind.value === kind);
  return form === undefined ? [] : fieldsBelow(form, place);
}

const isKind = (schema: unknown, kind: unknown): boolean => schema instanceof z.ZodLiteral && schema.value === kind;

/** The same of whatever has a schema. Of several forms it is the one whose kind `value` has at that place, else the first that has fields. */
export function fieldsBelow(schema: z.ZodType, place: Place, value?: unknown): string[] {
  let at: z.ZodType | undefined = schema;
  let given = value as Readonly<Record<string | number, unknown>> | undefined;
  for (const step of place) {
    given = given?.[step] as typeof given;
    if (at instanceof z.ZodArray) at = at.element as z.ZodType;
    else if (at instanceof z.ZodObject) at = at.shape[step] as z.ZodType;
    at = at && inside(at);
    if (at instanceof z.ZodUnion) {
      const forms: z.ZodObject[] = at.options.filter((form) => form instanceof z.ZodObject);
      at = forms.find(({ shape }) => isKind(shape["kind"], given?.["kind"])) ?? forms[0];
    }
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}
