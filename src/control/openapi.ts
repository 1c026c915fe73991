/** The table of routes as an OpenAPI 3.1 document: what is printed is what is checked. */
import { z } from "zod";
import { KINDS } from "../registry/kinds.ts";
import { version } from "../version.ts";
import type { RequestHeader, Route, Shown } from "./route.ts";
import { changesSchema, problemSchema, SCHEMAS } from "./schemas.ts";

type Json = Readonly<Record<string, unknown>>;

export function openapi(routes: readonly Route[]): object {
  const at = (path: string): Json =>
    Object.fromEntries(routes.filter((r) => r.path === path).map((r) => [r.method, operation(r)]));
  return {
    openapi: "3.1.0",
    info: {
      title: "eleven",
      version,
      summary: "What exists on this node, and how it stands",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "http://localhost", description: "on the agent's unix socket, /run/eleven/eleven.sock" }],
    paths: Object.fromEntries(routes.map(({ path }) => [path, at(path)])),
    components: { schemas: { ...named("input", WRITTEN), ...named("output", READ) } },
  };
}

const capital = (word: string): string => word[0]!.toUpperCase() + word.slice(1);

/** Schemas that have a name of their own; others stand where they are used. */
const WRITTEN = new Map<z.ZodType, string>([
  ...KINDS.flatMap((kind): [z.ZodType, string][] => [
    [SCHEMAS[kind].put, `${capital(kind)}Put`],
    [SCHEMAS[kind].patch, `${capital(kind)}Patch`],
  ]),
  [changesSchema, "Changes"],
]);
const READ = new Map<z.ZodType, string>([
  ...KINDS.map((kind): [z.ZodType, string] => [SCHEMAS[kind].object, capital(kind)]),
  [problemSchema, "Problem"],
]);

function named(io: "input" | "output", schemas: ReadonlyMap<z.ZodType, string>): Json {
  return Object.fromEntries([...schemas].map(([schema, name]) => [name, jsonSchema(io, schema)]));
}

function jsonSchema(io: "input" | "output", schema: z.ZodType): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  return rest;
}

const REFERENCES = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });

const shownAs = (io: "input" | "output", schema: z.ZodType): Json => {
  const name = WRITTEN.get(schema) ?? READ.get(schema);
  return name === undefined ? jsonSchema(io, schema) : REFERENCES(name);
};

const HEADERS: Readonly<Record<RequestHeader, string>> = {
  "if-match": "tags of which it must have one, or * for any",
  "if-none-match": "tags of which it must have none; * for not being there",
  "last-event-id": "as since, sent by clients that come back",
};

function operation({ id, summary, params = {}, query, headers = [], body, media, responses }: Route): object {
  return {
    operationId: id,
    summary,
    parameters: [
      ...Object.entries(params).map(([name, description]) => ({
        name,
        in: "path",
        required: true,
        description,
        schema: { type: "string", minLength: 1 },
      })),
      ...Object.entries(query?.shape ?? {}).map(([name, schema]) => parameter(name, schema as z.ZodType)),
      ...headers.map((name) => ({ name, in: "header", description: HEADERS[name], schema: { type: "string" } })),
    ],
    ...(body && {
      requestBody: {
        required: true,
        content: Object.fromEntries((media ?? ["application/json"]).map((type) => [type, bodyOf(type, body)])),
      },
    }),
    responses: {
      ...Object.fromEntries(Object.entries(responses).map(([status, shown]) => [status, response(shown)])),
      default: {
        description: "why not",
        content: { "application/problem+json": { schema: REFERENCES("Problem") } },
      },
    },
  };
}

/** A merge patch has the same fields; within them, null is allowed everywhere. */
const bodyOf = (type: string, body: z.ZodType): Json => ({
  schema: type === "application/json" ? shownAs("input", body) : { type: "object" },
});

function parameter(name: string, schema: z.ZodType): Json {
  const { description, ...rest } = jsonSchema("input", schema);
  return {
    name,
    in: "query",
    ...(description !== undefined && { description }),
    required: !schema.safeParse(undefined).success,
    schema: rest,
  };
}

function response({ description, schema, media, headers = [] }: Shown): Json {
  return {
    description,
    ...(headers.length > 0 && {
      headers: Object.fromEntries(headers.map((name) => [name, { schema: { type: "string" } }])),
    }),
    ...((schema !== undefined || media !== undefined) && {
      content: { [media ?? "application/json"]: schema === undefined ? {} : { schema: shownAs("output", schema) } },
    }),
  };
}
