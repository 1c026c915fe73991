/**
 * What may be written through the API, and how it is read, of each kind: made from the one schema of a change. An object's source is the
 * agent's to say, and its id and name stand in the path.
 */
import { z } from "zod";
import { changeSchema } from "../model/schema.ts";
import { KINDS, type Kind } from "../registry/kinds.ts";

export interface Schemas {
  /** The body of a PUT. */
  readonly put: z.ZodObject;
  /** The body of a PATCH. */
  readonly patch: z.ZodObject;
  /** An object as it is held: nothing left out. */
  readonly object: z.ZodObject;
}

const formOf = (kind: string): z.ZodObject => changeSchema.options.find(({ shape }) => shape.kind.value === kind)!;
const objectOf = (kind: Kind): z.ZodObject => formOf(`${kind}.put`).shape[kind] as z.ZodObject;

/** What the kind's objects have in their path: the id, and the name where they have one. */
const unnamed = (object: z.ZodObject): z.ZodObject => {
  const { source: _, ...shape } = object.shape;
  const { name, id } = shape as { readonly name?: z.ZodType; readonly id: z.ZodOptional };
  return z.strictObject({
    ...shape,
    ...(name && { name: name.optional().describe("default: what it has, else the last part of the path") }),
    id: id.describe("default: what it has, else the last part of the path"),
  });
};

export const SCHEMAS: Readonly<Record<Kind, Schemas>> = Object.fromEntries(
  KINDS.map((kind) => {
    const object = objectOf(kind);
    return [kind, { put: unnamed(object), patch: formOf(`${kind}.patch`).shape["patch"] as z.ZodObject, object }];
  }),
) as Record<Kind, Schemas>;

/** A change as the API takes it. */
const change = z.discriminatedUnion(
  "kind",
  changeSchema.options.map((form) => {
    const [kind = "", verb] = (form.shape.kind.value as string).split(".");
    if (verb !== "put") return form;
    const { source: _, ...shape } = objectOf(kind as Kind).shape;
    return z.strictObject({ kind: form.shape.kind, [kind]: z.strictObject(shape) });
  }) as unknown as [z.ZodObject, ...z.ZodObject[]],
);

export const changesSchema = z.strictObject({
  changes: z.array(change).max(100_000),
  if: z
    .array(
      z.strictObject({
        kind: z.enum(KINDS as [Kind, ...Kind[]]),
        id: z.string(),
        revision: z.int().min(0).nullable().describe("of its last change; null: there is none"),
      }),
    )
    .max(1_000)
    .optional()
    .describe("only if these objects are still as they were seen"),
});

const revision = z.int().min(0);
const degraded = z
  .array(z.object({ target: z.string(), reason: z.string().optional() }))
  .describe("namespaces whose kernel could not be made so, and why; they are tried again");
const waited = z.enum(["applied", "drained", "timeout"]).describe("what was waited for, or that the time was up");

export const written = (what: z.ZodRawShape): z.ZodObject =>
  z.object({
    revision,
    dry_run: z.literal(true).optional(),
    ...what,
    waited: waited.optional(),
    degraded: degraded.optional(),
  });

export const waitedSchema = z.object({ revision, waited, degraded: degraded.optional() });

export const problemSchema = z.object({
  type: z.string().describe("urn:eleven:problem: and a code"),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  errors: z
    .array(
      z.object({
        pointer: z.string().optional().describe("RFC 6901, in the body"),
        place: z.string().optional().describe("file:line:column, in a config file"),
        detail: z.string(),
      }),
    )
    .optional(),
});

const configProblem = z.object({ file: z.string(), line: z.int(), column: z.int(), message: z.string() });
const upstream = z.object({
  address: z.string(),
  port: z.int(),
  netns: z.string().optional(),
  state: z.enum(["up", "down"]),
});

export const statusSchema = z.object({
  version: z.string(),
  revision,
  uptime: z.number().describe("seconds"),
  ready: z.boolean(),
  config: z
    .object({
      files: z.array(z.string()),
      loaded: z.string(),
      restart: z
        .array(z.string())
        .optional()
        .describe("options that are another in the files, and in force after a restart only"),
      refused: z.object({ at: z.string(), problems: z.array(configProblem) }).optional(),
    })
    .optional(),
  problems: z.array(z.object({ sandbox: z.string(), problem: z.string() })),
  balance: z.object({ targets: z.int(), equal: z.int(), working: z.int(), degraded }),
  upstreams: z.object({ down: z.array(upstream) }),
  counts: z.object(
    Object.fromEntries(["networks", "services", "tasks", "containers", "sandboxes"].map((k) => [k, z.int()])),
  ),
});

export const upstreamsSchema = z.object({
  items: z.array(
    z.object({
      address: z.string(),
      port: z.int(),
      domains: z.array(z.string()).optional(),
      netns: z.string().optional(),
      host: z.boolean().optional(),
      of: z.string().describe("who names it: node, network NAME, sandbox ID, resolv.conf of sandbox ID"),
      down: z
        .array(z.string())
        .describe("namespaces from which it was asked and does not answer; this process's own is host"),
    }),
  ),
});

export const reloadSchema = z.object({ revision, changed: z.int(), restart: z.array(z.string()) });

export const querySchema = z.object({
  status: z.string().describe("NOERROR, NXDOMAIN, …"),
  flags: z.array(z.string()),
  answer: z.array(z.string().describe("a record, as zone files have them")),
  ms: z.number(),
  from: z.enum(["here", "upstream"]).optional().describe("missing: it can't be told from the answer"),
});
