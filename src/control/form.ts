/** The form of what a request says: its body, and its query, whose words become what the schema has them be. */
import { z } from "zod";
import { tellIssues } from "../model/issues.ts";
import { brief } from "../model/quote.ts";
import { formProblem, Problem } from "./problem.ts";

/** A body, if it has the form: as it was given, for it is completed where it is written. Throws a Problem that says all that is wrong. */
export function checked(schema: z.ZodType, body: unknown): unknown {
  const { success, error } = schema.safeParse(body);
  if (success) return body;
  throw formProblem(schema, body, error.issues);
}

/** Throws a Problem. */
export function readQuery(schema: z.ZodObject | undefined, text: string): Readonly<Record<string, unknown>> {
  const given: Record<string, unknown> = Object.create(null);
  const said = new URLSearchParams(text);
  for (const name of new Set(said.keys())) given[name] = typed(name, said.getAll(name), schema?.shape[name]);
  if (schema === undefined) {
    const [first] = Object.keys(given);
    if (first !== undefined) throw wrong(first, "is no parameter; there are none");
    return given;
  }
  const { success, data, error } = schema.safeParse({ ...given });
  if (success) return data;
  const { place, message: told, key } = tellIssues(error.issues, { list: "a list", object: "an object" })[0]!;
  const name = String(place[0]);
  const message = /^must be at (least|most) /.test(told) ? (rangeOf(schema.shape[name]) ?? told) : told;
  throw wrong(
    name,
    key
      ? `is no parameter; there are ${Object.keys(schema.shape).join(", ")}`
      : message === "is missing"
        ? message
        : `${message}, not "${brief(said.get(name) ?? "")}"`,
  );
}

/** Both ends, where there are two: one of them is only half of what would be right. */
function rangeOf(schema: unknown): string | undefined {
  const type = plain(schema);
  if (!(type instanceof z.ZodNumber) || type.minValue === null || type.maxValue === null) return undefined;
  return type.maxValue < Number.MAX_SAFE_INTEGER ? `must be ${type.minValue} to ${type.maxValue}` : undefined;
}

function plain(schema: unknown): unknown {
  let type = schema;
  while (type instanceof z.ZodOptional || type instanceof z.ZodDefault) type = type.unwrap();
  return type;
}

function typed(name: string, values: readonly string[], schema: unknown): unknown {
  const type = plain(schema);
  if (type instanceof z.ZodArray) return values;
  if (values.length > 1) throw wrong(name, "is there more than once");
  const [value = ""] = values;
  if (type instanceof z.ZodNumber) return /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value;
  if (type instanceof z.ZodBoolean && (value === "true" || value === "false")) return value === "true";
  return value;
}

const wrong = (name: string, why: string): Problem => new Problem("invalid", `parameter "${brief(name)}" ${why}`);
