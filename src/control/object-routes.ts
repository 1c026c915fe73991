/** The routes of one kind of object: listed, read, put, patched, removed. */
import { z } from "zod";
import type { ChangeInput } from "../model/input.ts";
import { brief } from "../model/quote.ts";
import { type Kind, MAPS } from "../registry/kinds.ts";
import { MERGE_PATCH } from "./body.ts";
import { conditionsOf, tagOf } from "./conditions.ts";
import type { Control } from "./control.ts";
import { checked } from "./form.ts";
import { merged } from "./merge-patch.ts";
import { find, found, type Held, list, objectsOf } from "./objects.ts";
import { Problem, pointerTo, stepsOf } from "./problem.ts";
import { PATHS, type Route, route } from "./route.ts";
import { SCHEMAS, written as writtenSchema } from "./schemas.ts";
import { ours, writeQuery, written } from "./writes.ts";

const filters = z.strictObject({
  label: z.array(z.string()).optional().describe("KEY or KEY=VALUE; more than once: all of them"),
  name: z.string().optional().describe("its name, or id"),
  network: z.string().optional().describe("on this network: its id, or name"),
  service: z.string().optional().describe("of this service: its id, or name"),
  source: z.string().optional().describe("written in this file; empty: made through the API"),
});

const params = { name: "its id, else its name" };

export const objectRoutes = (control: Control, kind: Kind): Route[] => [
  listRoute(control, kind),
  readRoute(control, kind),
  putRoute(control, kind),
  patchRoute(control, kind),
  removeRoute(control, kind),
];

const listRoute = ({ node, catalog }: Control, kind: Kind): Route =>
  route({
    method: "get",
    path: `/v1/${PATHS[kind]}`,
    id: `list_${PATHS[kind]}`,
    summary: `All ${MAPS[kind]}, or those that pass all filters`,
    query: filters,
    responses: {
      200: {
        description: "what there is in this revision",
        schema: z.object({ revision: z.int(), items: z.array(SCHEMAS[kind].object) }),
        headers: ["etag"],
      },
    },
    handle: ({ query }) => {
      const { revision } = node.state;
      return {
        status: 200,
        body: { revision, items: list(node.state, catalog, kind, query) },
        headers: { etag: tagOf(revision) },
      };
    },
  });

const readRoute = ({ node, catalog }: Control, kind: Kind): Route =>
  route({
    method: "get",
    path: `/v1/${PATHS[kind]}/{name}`,
    id: `read_${kind}`,
    summary: `One ${kind}`,
    params,
    headers: ["if-none-match"],
    responses: {
      200: { description: "as it is held, nothing left out", schema: SCHEMAS[kind].object, headers: ["etag"] },
      304: { description: "it is what If-None-Match says", headers: ["etag"] },
    },
    handle: ({ params, incoming }) => {
      const object = found(node.state, catalog, kind, params["name"]!);
      const revision = catalog.revisionOf(kind, object.id) ?? node.state.revision;
      const headers = { etag: tagOf(revision) };
      return conditionsOf(incoming).unchanged(revision)
        ? { status: 304, headers }
        : { status: 200, body: object, headers };
    },
  });

const putRoute = (control: Control, kind: Kind): Route =>
  route({
    method: "put",
    path: `/v1/${PATHS[kind]}/{name}`,
    id: `put_${kind}`,
    summary: `The ${kind} is what is given, whatever it was before`,
    params,
    query: writeQuery,
    headers: ["if-match", "if-none-match"],
    body: SCHEMAS[kind].put,
    responses: {
      200: { description: "it was there before", schema: objectWritten(kind), headers: ["etag"] },
      201: { description: "it was made", schema: objectWritten(kind), headers: ["etag"] },
      202: { description: "it is written; the time to wait was up", schema: objectWritten(kind), headers: ["etag"] },
    },
    handle: (asked) => {
      const conditions = conditionsOf(asked.incoming);
      const called = asked.params["name"]!;
      let [id, status] = ["", 200];
      return written(control, asked, {
        conditions,
        batch: (state) => {
          const before = find(state, control.catalog, kind, called);
          conditions.check(`${kind} "${brief(called)}"`, before && control.catalog.revisionOf(kind, before.id));
          ours(control, kind, before);
          const object = withCalled(kind, called, before, asked.body as Given);
          if (before === undefined) free(objectsOf(state, kind).get(object.id), kind, called);
          [id, status] = [object.id, before === undefined ? 201 : 200];
          return [{ kind: `${kind}.put`, [kind]: object } as unknown as ChangeInput];
        },
        shown: (after) => ({ object: after(kind, id) }),
        of: () => ({ kind, id, status }),
      });
    },
    pointerOf: ({ path }, body) => inBody(path, body),
  });

const patchRoute = (control: Control, kind: Kind): Route =>
  route({
    method: "patch",
    path: `/v1/${PATHS[kind]}/{name}`,
    id: `patch_${kind}`,
    summary: `Fields of a ${kind}; each takes the place of the whole field, null goes back to the default. As a merge patch (RFC 7396): of fields in fields, too`,
    params,
    query: writeQuery,
    headers: ["if-match"],
    body: SCHEMAS[kind].patch,
    media: ["application/json", MERGE_PATCH],
    responses: {
      200: { description: "so it is now", schema: objectWritten(kind), headers: ["etag"] },
      202: { description: "it is written; the time to wait was up", schema: objectWritten(kind), headers: ["etag"] },
    },
    handle: (asked) => {
      const conditions = conditionsOf(asked.incoming);
      const merges = asked.media === MERGE_PATCH;
      let id = "";
      return written(control, asked, {
        conditions: merges ? { ...conditions, any: true } : conditions,
        batch: (state) => {
          const before = found(state, control.catalog, kind, asked.params["name"]!);
          conditions.check(`${kind} "${brief(before.id)}"`, control.catalog.revisionOf(kind, before.id));
          ours(control, kind, before);
          id = before.id;
          const patch = merges ? checked(SCHEMAS[kind].patch, merged(before, asked.body)) : asked.body;
          return [{ kind: `${kind}.patch`, id, patch } as unknown as ChangeInput];
        },
        shown: (after) => ({ object: after(kind, id) }),
        of: () => ({ kind, id, status: 200 }),
      });
    },
    pointerOf: ({ path }, body) => inBody(path, body),
  });

const removeRoute = (control: Control, kind: Kind): Route =>
  route({
    method: "delete",
    path: `/v1/${PATHS[kind]}/{name}`,
    id: `remove_${kind}`,
    summary: `The ${kind} goes${kind === "service" ? ", and its tasks with it" : ""}`,
    params,
    query: writeQuery,
    headers: ["if-match"],
    responses: {
      200: { description: "it is there no more", schema: writtenSchema({}) },
      202: { description: "it is written; the time to wait was up", schema: writtenSchema({}) },
    },
    handle: (asked) => {
      const conditions = conditionsOf(asked.incoming);
      return written(control, asked, {
        conditions,
        batch: (state) => {
          const before = found(state, control.catalog, kind, asked.params["name"]!);
          conditions.check(`${kind} "${brief(before.id)}"`, control.catalog.revisionOf(kind, before.id));
          ours(control, kind, before);
          return [{ kind: `${kind}.remove`, id: before.id }];
        },
        shown: () => ({}),
      });
    },
  });

const objectWritten = (kind: Kind) => writtenSchema({ object: SCHEMAS[kind].object.optional() });

/** What the path names is not there, so what the body names must not be either: it would be changed by another's path. */
function free(object: Held | undefined, kind: Kind, called: string): void {
  if (object === undefined) return;
  const { id, name = id } = object;
  throw new Problem(
    "conflict",
    `there is no ${kind} "${brief(called)}", and id "${brief(id)}" is that of "${brief(name)}": put that one by its own path`,
    { errors: [{ pointer: "/id", detail: `is that of ${kind} "${brief(name)}"` }] },
  );
}

/** The body of a PUT. */
type Given = Readonly<Record<string, unknown>> & { readonly id?: string; readonly name?: string };

/** With the id and name that the path says, where the body does not. */
function withCalled(
  kind: Kind,
  called: string,
  before: Held | undefined,
  given: Given,
): Given & { readonly id: string } {
  const id = before?.id ?? given.id ?? called;
  const named = "name" in SCHEMAS[kind].object.shape;
  const name = given.name ?? before?.name ?? called;
  if (given.id !== undefined && given.id !== id)
    throw new Problem("invalid", `id "${brief(given.id)}" is not that of the ${kind}, "${brief(id)}": leave it out`, {
      errors: [{ pointer: "/id", detail: "must be that of what the path says, or left out" }],
    });
  if (before === undefined && id !== called && !(named && name === called))
    throw new Problem("invalid", `neither ${named ? "id nor name" : "id"} is "${brief(called)}", which the path says`, {
      errors: [{ pointer: "/id", detail: "must be what the path says, or left out" }],
    });
  return { ...given, id, ...(named && { name }) };
}

/** "service.networks[0].network", "patch.ports[1]": the first word is what the body itself is. */
function inBody(path: string | undefined, body: unknown): string | undefined {
  const steps = stepsOf(path ?? "").slice(1);
  const known = steps.length > 0 && typeof body === "object" && body !== null && Object.hasOwn(body, steps[0]!);
  return known ? pointerTo(steps) : undefined;
}
