/** The routes that are about no one object: batches, waiting, events, how the agent stands, its config, what would be answered. */
import { z } from "zod";
import type { ChangeInput } from "../model/input.ts";
import { brief } from "../model/quote.ts";
import type { Kind } from "../registry/kinds.ts";
import { conditionsOf, tagOf } from "./conditions.ts";
import type { Control } from "./control.ts";
import type { EventReaders } from "./event-readers.ts";
import { found, type Held, objectsOf } from "./objects.ts";
import { Problem, pointerTo, stepsOf } from "./problem.ts";
import { ask } from "./query.ts";
import { type Route, route } from "./route.ts";
import {
  changesSchema,
  querySchema,
  reloadSchema,
  statusSchema,
  upstreamsSchema,
  waitedSchema,
  written as writtenSchema,
} from "./schemas.ts";
import { statusOf, whatIsWrong } from "./status.ts";
import { upstreamsOf } from "./upstreams.ts";
import { ours, targetOf, timeout, writeQuery, written } from "./writes.ts";

export const agentRoutes = (control: Control, readers: EventReaders): Route[] => [
  statusRoute(control),
  changesRoute(control),
  waitRoute(control),
  eventsRoute(readers),
  reloadRoute(control),
  queryRoute(control),
  upstreamsRoute(control),
];

const statusRoute = (control: Control): Route => ({
  method: "get",
  path: "/v1/status",
  id: "status",
  summary: "How the agent stands",
  responses: { 200: { description: "now", schema: statusSchema } },
  handle: () => ({ status: 200, body: statusOf(control) }),
});

const batchWritten = writtenSchema({
  objects: z
    .array(z.object({}).loose().nullable())
    .describe("of each change in turn, its object; null: it is there no more"),
});

const changesRoute = (control: Control): Route =>
  route({
    method: "post",
    path: "/v1/changes",
    id: "change",
    summary: "Changes in one batch: all of them, or none",
    query: writeQuery,
    headers: ["if-match"],
    body: changesSchema,
    responses: {
      200: { description: "all of it is in force", schema: batchWritten, headers: ["etag"] },
      202: { description: "it is written; the time to wait was up", schema: batchWritten, headers: ["etag"] },
    },
    handle: async (asked) => {
      const { node } = control;
      const conditions = conditionsOf(asked.incoming);
      const { changes, if: seen = [] } = asked.body as Batch;
      const targets = changes.map(targetOf);
      const answer = await written(control, asked, {
        conditions: { ...conditions, any: conditions.any || seen.length > 0 },
        batch: (state) => {
          conditions.check("the state", state.revision);
          for (const [i, one] of seen.entries()) checkSeen(control, i, one);
          for (const [i, { kind, id }] of targets.entries())
            checkOurs(control, i, kind, objectsOf(state, kind).get(id));
          return changes;
        },
        shown: (after) => ({ objects: targets.map(({ kind, id }) => after(kind, id) ?? null) }),
      });
      return { ...answer, headers: { etag: tagOf(node.state.revision) } };
    },
    pointerOf: ({ index, path }) =>
      index === undefined ? undefined : pointerTo(["changes", index, ...stepsOf(path ?? "")]),
  });

interface Batch {
  readonly changes: readonly ChangeInput[];
  readonly if?: readonly Seen[];
}

interface Seen {
  readonly kind: Kind;
  readonly id: string;
  readonly revision: number | null;
}

function checkSeen({ catalog }: Control, index: number, { kind, id, revision }: Seen): void {
  const now = catalog.revisionOf(kind, id);
  if ((now ?? null) === revision) return;
  const detail = `${kind} "${brief(id)}" is not as it was seen: ${now === undefined ? "there is none" : `it is at ${tagOf(now)}`}; read it again`;
  throw new Problem("precondition", detail, { errors: [{ pointer: `/if/${index}`, detail }] });
}

/** As `ours`, with the change that it is about. */
function checkOurs(control: Control, index: number, kind: Kind, object: Held | undefined): void {
  try {
    ours(control, kind, object);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    throw new Problem(error.code, error.message, { errors: [{ pointer: `/changes/${index}`, detail: error.message }] });
  }
}

const waitRoute = ({ node, waits }: Control): Route =>
  route({
    method: "get",
    path: "/v1/wait",
    id: "wait",
    summary: "Answers when a revision is there, and in names and kernel, or drained; or when the time is up",
    query: z.strictObject({
      revision: z.int().min(0).optional().describe("default: the one that there is"),
      for: z.enum(["applied", "drained"]).default("applied"),
      timeout,
    }),
    responses: {
      200: { description: "so it is", schema: waitedSchema },
      202: { description: "the time was up", schema: waitedSchema },
    },
    handle: async ({ query, outgoing }) => {
      const waited = await waits.wait(query.for, query.revision ?? node.state.revision, query.timeout, outgoing);
      return { status: waited.waited === "timeout" ? 202 : 200, body: { revision: node.state.revision, ...waited } };
    },
  });

const eventsRoute = (readers: EventReaders): Route =>
  route({
    method: "get",
    path: "/v1/events",
    id: "events",
    summary:
      "What happens, as server-sent events; the id of each is the revision. Events: change (revision, changes), problem, upstream, status, repaired, config",
    query: z.strictObject({
      since: z.int().min(0).optional().describe("what came after this revision, first; default: from now on"),
    }),
    headers: ["last-event-id"],
    responses: {
      200: { description: "until either side ends it", media: "text/event-stream" },
      410: { description: "what came after that revision is not there any more: list again" },
    },
    handle: ({ query, incoming, outgoing }) => {
      if (incoming.method === "HEAD") return { status: 200, headers: { "content-type": "text/event-stream" } };
      const last = incoming.headers["last-event-id"];
      if (last !== undefined && (typeof last !== "string" || !/^\d{1,15}$/.test(last)))
        throw new Problem("invalid", "Last-Event-ID is no revision");
      readers.open(outgoing, last === undefined ? query.since : Number(last));
      return { status: 200, open: true };
    },
  });

const reloadRoute = ({ config }: Control): Route => ({
  method: "post",
  path: "/v1/reload",
  id: "reload",
  summary:
    "Reads the config files again: what they say is in force, or all that is wrong with them is said and nothing happens",
  responses: {
    200: { description: "what they say is in force, but for options that need a restart", schema: reloadSchema },
  },
  handle: async () => {
    if (config === undefined) throw new Problem("unknown", "this agent has no config file");
    const reloaded = await config.reload();
    if (!("refused" in reloaded)) return { status: 200, body: reloaded };
    const errors = reloaded.refused.map((problem) => {
      const { file, line, column } = problem;
      return { place: line > 0 ? `${file}:${line}:${column}` : file, detail: whatIsWrong(problem) };
    });
    throw new Problem("config", `the config is refused, and the one before stays in force: ${errors.length} wrong`, {
      errors,
    });
  },
});

const queryRoute = ({ node, catalog }: Control): Route =>
  route({
    method: "get",
    path: "/v1/sandboxes/{name}/query",
    id: "query",
    summary: "What a sandbox would be answered",
    params: { name: "the sandbox's id" },
    query: z.strictObject({
      name: z.string().min(1).max(255).describe("the name that is asked for"),
      type: z.string().max(16).default("A").describe("the type of record"),
    }),
    responses: { 200: { description: "the answer", schema: querySchema } },
    handle: async ({ params, query }) => {
      const sandbox = found(node.state, catalog, "sandbox", params["name"]!);
      return { status: 200, body: await ask(node, sandbox.id, query) };
    },
  });

const upstreamsRoute = ({ node }: Control): Route => ({
  method: "get",
  path: "/v1/upstreams",
  id: "upstreams",
  summary: "Who may be asked, who names them, and who of them does not answer",
  responses: { 200: { description: "now", schema: upstreamsSchema } },
  handle: () => ({ status: 200, body: upstreamsOf(node) }),
});
