/** Routes for people who look closer: why a name is answered so, what is behind VIPs in the kernel, and what may be put right at once. */
import { z } from "zod";
import { NodeError } from "../node/error.ts";
import type { Control } from "./control.ts";
import { found } from "./objects.ts";
import { Problem } from "./problem.ts";
import { type Route, route } from "./route.ts";

export const inspectionRoutes = (control: Control): Route[] => [
  explainRoute(control),
  diffRoute(control),
  repairRoute(control),
  balanceRoute(control),
  targetRoute(control),
  flushRoute(control),
];

const text = z.string();
const several = z.array(text);
const target = text.describe("a namespace: sandbox/ID, network/ID, ingress, host");
const destination = z.object({
  address: text,
  weight: z.int(),
  task: text.optional(),
  open: z.int().optional().describe("connections"),
});
const taken = z
  .object({ connections: z.number(), packets: z.number(), bytes: z.number() })
  .describe("since its rules were made");
const server = z
  .object({
    key: text,
    service: text.optional(),
    network: text.optional(),
    vip: text,
    mark: z.int(),
    scheduler: text,
    destinations: z.array(destination),
    taken: taken.optional(),
  })
  .loose();
const view = z.object({
  ...{
    target,
    netns: text.optional(),
    backend: text,
    state: z.enum(["equal", "working", "degraded"]),
    reason: text.optional(),
  },
  ...{
    revision: z.int(),
    leaving: z.int(),
    servers: z.array(server),
    others: several.describe("addresses, published ports, redirects, settings; a line each"),
  },
});
const drift = z.object({
  target,
  steps: several.describe("from what is there to what should be"),
  problem: text.optional().describe("why it can't be said"),
});
const repaired = z.object({
  target,
  repaired: several,
  left: several.describe("steps that it is still away"),
  problem: text.optional(),
});
const items = (item: z.ZodType) => z.object({ items: z.array(item) });

const asked = z.object({
  ...{ name: text, why: text, status: text, rule: text.optional(), records: several, ttl: z.int().optional() },
  tried: z.array(z.object({ network: text, as: text, name: text, found: z.boolean() })),
  claims: z.array(z.object({ by: text, records: several })),
  balanced: z.array(view),
  upstreams: z.array(z.object({ address: text, port: z.int() }).loose()),
});

const explainRoute = ({ node, catalog }: Control): Route =>
  route({
    method: "get",
    path: "/v1/sandboxes/{name}/explain",
    id: "explain",
    summary:
      "Why a sandbox is answered so: names that are asked, networks tried, claims, what is behind a VIP, upstreams",
    params: { name: "the sandbox's id" },
    query: z.strictObject({
      name: text.min(1).max(255).describe("the name that is asked for"),
      type: text.max(16).default("A").describe("the type of record"),
    }),
    responses: {
      200: { description: "why", schema: z.object({ sandbox: text, name: text, type: text, asked: z.array(asked) }) },
    },
    handle: async ({ params, query }) => {
      const sandbox = found(node.state, catalog, "sandbox", params["name"]!);
      try {
        return { status: 200, body: await node.inspect.explain(sandbox.id, query.name, query.type) };
      } catch (error) {
        if (error instanceof NodeError && error.code === "invalid") throw new Problem("invalid", error.message);
        throw error;
      }
    },
  });

const balanceRoute = ({ node }: Control): Route => ({
  method: "get",
  path: "/v1/balance",
  id: "balance",
  summary: "What is balanced in each namespace, as the last change left it",
  responses: { 200: { description: "now", schema: items(view) } },
  handle: async () => ({ status: 200, body: { items: await node.inspect.balance() } }),
});

const targetRoute = ({ node }: Control): Route => ({
  method: "get",
  path: "/v1/balance/{name}",
  id: "balanceIn",
  summary: "What is balanced in one namespace",
  params: { name: "its name, such as sandbox/ID (the slash written %2F)" },
  responses: { 200: { description: "now", schema: view } },
  handle: async ({ params }) => {
    const [body] = await node.inspect.balance(params["name"]!);
    if (body !== undefined) return { status: 200, body };
    const known = node.balance.map(({ target }) => target).slice(0, 8);
    const there =
      known.length === 0
        ? "nothing is balanced anywhere"
        : `there are ${known.join(", ")}${node.balance.length > 8 ? ", …" : ""}`;
    throw new Problem("unknown", `nothing is balanced in "${params["name"]}"; ${there}`);
  },
});

const diffRoute = ({ node }: Control): Route => ({
  method: "get",
  path: "/v1/balance/diff",
  id: "balanceDiff",
  summary: "Reads the kernel in each namespace, and says how far it is from what it should be",
  responses: { 200: { description: "now", schema: items(drift) } },
  handle: async () => ({ status: 200, body: { items: await node.inspect.drift() } }),
});

const repairRoute = ({ node }: Control): Route => ({
  method: "post",
  path: "/v1/balance/repair",
  id: "balanceRepair",
  summary: "Reads the kernel in each namespace now, and puts right what somebody has changed",
  responses: { 200: { description: "what was put right", schema: items(repaired) } },
  handle: async () => ({ status: 200, body: { items: await node.inspect.repair() } }),
});

const flushRoute = ({ node }: Control): Route => ({
  method: "post",
  path: "/v1/cache/flush",
  id: "cacheFlush",
  summary: "Forgets what upstreams have answered",
  responses: { 200: { description: "it is forgotten", schema: z.object({}) } },
  handle: async () => {
    await node.inspect.flush();
    return { status: 200, body: {} };
  },
});
