/** What goes wrong, as RFC 9457 has it: a code, a status, words, and the places in the body that are meant (RFC 6901). */
import { STATUS_CODES } from "node:http";
import type { z } from "zod";
import { instead, type Place, pathText, tellIssues } from "../model/issues.ts";
import { brief } from "../model/quote.ts";
import { fieldsBelow } from "../model/schema.ts";
import { NodeError } from "../node/error.ts";
import { RegistryError } from "../registry/error.ts";
import { StoreError } from "../registry/stores/store.ts";

/** What a code means to a client that knows HTTP only. */
const STATUS = {
  invalid: 400,
  unknown: 404,
  method: 405,
  conflict: 409,
  "in-use": 409,
  gone: 410,
  precondition: 412,
  "too-large": 413,
  "media-type": 415,
  exhausted: 422,
  config: 422,
  busy: 429,
  failed: 500,
  closing: 503,
} as const;

export type Code = keyof typeof STATUS;

export interface Fault {
  /** A place in the body. */
  readonly pointer?: string;
  /** A place in a config file. */
  readonly place?: string;
  readonly detail: string;
}

/** Thrown by whoever can't do what a request asks. */
export class Problem extends Error {
  readonly code: Code;
  readonly errors: readonly Fault[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: Code,
    detail: string,
    {
      errors = [],
      headers = {},
    }: { readonly errors?: readonly Fault[]; readonly headers?: Record<string, string> } = {},
  ) {
    super(detail);
    this.name = "Problem";
    this.code = code;
    this.errors = errors;
    this.headers = headers;
  }

  get status(): number {
    return STATUS[this.code];
  }

  /** The body of the answer. */
  get body(): object {
    const { code, status, message, errors } = this;
    const title = STATUS_CODES[status];
    return { type: `urn:eleven:problem:${code}`, title, status, detail: message, ...(errors.length > 0 && { errors }) };
  }
}

/** Anything that was thrown. `pointerOf` finds a registry's place in the body that was sent; undefined: it is not in there. */
export function problemOf(thrown: unknown, pointerOf: (error: RegistryError) => string | undefined): Problem {
  if (thrown instanceof Problem) return thrown;
  if (thrown instanceof RegistryError) {
    const pointer = pointerOf(thrown);
    return new Problem(thrown.code, thrown.message, {
      errors: pointer === undefined ? [] : [{ pointer, detail: thrown.message }],
    });
  }
  if ((thrown instanceof NodeError || thrown instanceof StoreError) && thrown.code === "closed")
    return new Problem("closing", "the agent is ending");
  if (thrown instanceof StoreError) return new Problem("failed", thrown.message);
  return new Problem("failed", "the agent could not do it; its log says why");
}

/** All that is wrong with a body's form. */
export function formProblem(schema: z.ZodType, value: unknown, issues: readonly z.core.$ZodIssue[]): Problem {
  // a field that nobody knows comes before one that is missing, which it may have been meant to be
  const told = tellIssues(issues, { list: "a list", object: "an object" }).sort(
    (a, b) => Number(b.key) - Number(a.key),
  );
  const errors = told.slice(0, MOST_ERRORS).map(({ place, message, key }) => ({
    pointer: pointerTo(place),
    detail: key ? noField(schema, value, place) : instead(message, value, place),
  }));
  const { pointer, detail } = errors[0]!;
  const more = told.length > 1 ? ` (and ${told.length - 1} more)` : "";
  const where = pointer === "" ? "the body" : pathText(told[0]!.place);
  return new Problem("invalid", `${where} ${detail}${more}`, { errors });
}

/** An answer is no place for as many as a body has room for. */
const MOST_ERRORS = 100;

function noField(schema: z.ZodType, value: unknown, place: Place): string {
  const name = place.at(-1);
  if (name === "source") return "is the agent's to say: objects of the API have none";
  const fields = fieldsBelow(schema, place.slice(0, -1), value);
  return fields.length === 0 ? "is no field" : `is no field; there are ${fields.map(brief).join(", ")}`;
}

export const pointerTo = (place: Place): string =>
  place.map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");

/** A registry's path as places: "networks[0].network". What a label is called is not told apart from fields of it. */
export const stepsOf = (path: string): Place =>
  [...path.matchAll(/[^.[\]]+/g)].map(([step]) => (/^\d+$/.test(step) ? Number(step) : step));
