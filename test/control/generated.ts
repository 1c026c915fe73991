/**
 * Requests made of nothing but an OpenAPI document: those that have the form it asks for, and those that break it in one place. No schema
 * of ours is known here.
 */
import fc from "fast-check";

// biome-ignore lint/suspicious/noExplicitAny: a document, as it was served
type Json = any;

export interface Made {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

export interface Operation {
  readonly method: string;
  readonly path: string;
  readonly spec: Json;
}

/** Of those that answer at once. */
export function operationsOf(document: Json): Operation[] {
  return Object.entries<Json>(document.paths).flatMap(([path, methods]) =>
    Object.entries<Json>(methods)
      .filter(([, spec]) => !("text/event-stream" in (spec.responses["200"]?.content ?? {})))
      .map(([method, spec]) => ({ method: method.toUpperCase(), path, spec })),
  );
}

/** Few, so that requests are about the same things. No number alone: as a namespace, it would be a real process's. */
const word = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom("a", "b", "web", "n", "m", "web.1", "c") },
  {
    weight: 4,
    arbitrary: fc.constantFrom("10.0.1.7", "10.0.1.0/24", "fd00::7", "fd00:1::/64", "8000-8003", "127.0.0.1"),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      "__proto__",
      "constructor",
      "a..b",
      "ü",
      " ",
      "x".repeat(300),
      "\u0000",
      "\ud800",
      "a/b",
      "%2f",
      "1e9",
    ),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 8 }).filter((w) => !/^\d+$/.test(w)) },
);

export const valid = (document: Json): fc.Arbitrary<Made> =>
  fc.constantFrom(...operationsOf(document)).chain(({ method, path, spec }) =>
    fc
      .record({
        params: fc.record(
          Object.fromEntries(parametersIn(spec, "path").map((p) => [p.name, word.filter((w) => w !== "")])),
        ),
        query: chosen(parametersIn(spec, "query"), (p) => fromSchema(document, bounded(p.name, p.schema))),
        headers: chosen(parametersIn(spec, "header"), ({ name }) =>
          name === "last-event-id" ? fc.constant("1") : tag,
        ),
        body: bodyOf(document, spec),
      })
      .map((parts) => written(method, path, parts)),
  );

/** As `valid`, but for one place, which is said. */
export const invalid = (document: Json): fc.Arbitrary<Made & { readonly why: string }> => {
  const withBody = operationsOf(document).filter(
    ({ spec }) => spec.requestBody?.content["application/json"] !== undefined,
  );
  const withQuery = operationsOf(document).filter(({ spec }) =>
    parametersIn(spec, "query").some(({ schema }) => schema.type !== "array"),
  );
  return fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...withBody).chain((operation) => brokenBody(document, operation)) },
    { weight: 1, arbitrary: fc.constantFrom(...withQuery).chain(brokenQuery) },
    { weight: 1, arbitrary: fc.constantFrom(...operationsOf(document)).map(unknownParameter) },
  );
};

const tag = fc.oneof(
  fc.constant("*"),
  fc.nat(30).map((n) => `"${n}"`),
  fc.constant('"1", "2"'),
);

const parametersIn = (spec: Json, place: string): Json[] => (spec.parameters ?? []).filter((p: Json) => p.in === place);

/** Nobody waits for long in a test. */
const bounded = (name: string, schema: Json): Json =>
  name === "timeout" ? { ...schema, maximum: 0.01 } : name === "revision" ? { const: 1 } : schema;

function chosen(
  parameters: readonly Json[],
  of: (parameter: Json) => fc.Arbitrary<Json>,
): fc.Arbitrary<Record<string, Json>> {
  const required = parameters.filter((p) => p.required || p.name === "timeout").map((p) => p.name);
  return sparse(Object.fromEntries(parameters.map((p) => [p.name, of(p)])), required, 1);
}

/** Each field that may be left out is there in so many of ten: one that has all of them is rarely accepted. */
function sparse(
  fields: Readonly<Record<string, fc.Arbitrary<Json>>>,
  required: readonly string[],
  ofTen: number,
): fc.Arbitrary<Record<string, Json>> {
  const chances = Object.fromEntries(Object.keys(fields).map((name) => [name, fc.nat(9)]));
  return fc
    .tuple(fc.record(fields), fc.record(chances))
    .map(([all, chance]) =>
      Object.fromEntries(
        Object.entries(all).filter(([name]) => required.includes(name) || (chance[name] as number) < ofTen),
      ),
    );
}

function bodyOf(document: Json, spec: Json): fc.Arbitrary<{ type: string; value: Json } | undefined> {
  const content = Object.entries<Json>(spec.requestBody?.content ?? {});
  if (content.length === 0) return fc.constant(undefined);
  return fc
    .constantFrom(...content)
    .chain(([type, { schema }]) => fromSchema(document, schema).map((value) => ({ type, value })));
}

function written(method: string, path: string, { params, query, headers, body }: Json): Made {
  const words = Object.entries<Json>(query).flatMap(([name, value]) =>
    [value].flat().map((v) => `${encodeURIComponent(name)}=${encodeURIComponent(wellFormed(String(v)))}`),
  );
  return {
    method,
    path:
      path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(wellFormed(params[name]))) +
      (words.length > 0 ? `?${words.join("&")}` : ""),
    headers: { ...headers, ...(body && { "content-type": body.type }) },
    body: body && JSON.stringify(body.value),
  };
}

/** Half a character has no form in a URL. */
const wellFormed = (text: string): string => Buffer.from(text).toString();

/** Values that a schema allows. */
export function fromSchema(document: Json, schema: Json): fc.Arbitrary<Json> {
  if (schema.$ref !== undefined) return fromSchema(document, resolved(document, schema));
  if ("const" in schema) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  const forms = schema.anyOf ?? schema.oneOf;
  if (forms !== undefined) return fc.oneof(...forms.map((form: Json) => fromSchema(document, form)));
  switch (schema.type) {
    case "string":
      return word.filter((w) => w.length >= (schema.minLength ?? 0) && w.length <= (schema.maxLength ?? 1_000));
    case "integer":
      return fc.oneof(
        fc.integer({ min: schema.minimum ?? -5, max: Math.min(schema.maximum ?? 5, (schema.minimum ?? 0) + 3) }),
        fc.integer({ min: schema.minimum, max: schema.maximum }),
      );
    case "number":
      return fc
        .double({ min: schema.minimum ?? 0, max: schema.maximum ?? 9, noNaN: true })
        .map((n) => Number(n.toFixed(4)));
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    case "array":
      return fc.array(fromSchema(document, schema.items), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.max(schema.minItems ?? 0, 3),
      });
    case "object":
      return object(document, schema);
    default:
      return fc.jsonValue({ maxDepth: 3 });
  }
}

function object(document: Json, { properties, required = [], additionalProperties }: Json): fc.Arbitrary<Json> {
  if (properties === undefined)
    return fc
      .array(
        fc.tuple(
          word,
          additionalProperties ? fromSchema(document, additionalProperties) : fc.jsonValue({ maxDepth: 2 }),
        ),
        { maxLength: 3 },
      )
      .map((entries) => Object.fromEntries(entries));
  const fields = Object.entries(properties).map(([name, of]) => [name, fromSchema(document, of)] as const);
  return sparse(Object.fromEntries(fields), required, 3);
}

export const resolved = (document: Json, schema: Json): Json =>
  schema?.$ref === undefined
    ? schema
    : schema.$ref
        .split("/")
        .slice(1)
        .reduce((at: Json, step: string) => at[step], document);

function brokenBody(document: Json, { method, path, spec }: Operation): fc.Arbitrary<Made & { why: string }> {
  const { schema } = spec.requestBody.content["application/json"];
  return fc.tuple(fromSchema(document, schema), fc.infiniteStream(fc.nat(1_000))).map(([value, chances]) => {
    const next = (): number => chances.next().value as number;
    const { value: body, why } = broken(document, resolved(document, schema), value, next);
    const made = written(method, path, { params: { name: "web" }, query: {}, headers: {}, body: undefined });
    return { ...made, body: JSON.stringify(body), why };
  });
}

/** The value with one thing in it that the schema does not allow. */
function broken(document: Json, given: Json, value: Json, next: () => number): { value: Json; why: string } {
  const schema = formOf(document, given, value);
  const inner = childrenOf(schema, value);
  if (inner.length > 0 && next() % 3 > 0) {
    const [key, of] = inner[next() % inner.length]!;
    const { value: child, why } = broken(document, resolved(document, of), value[key], next);
    const copy = Array.isArray(value) ? [...value] : { ...value };
    copy[key] = child;
    return { value: copy, why: `${key}: ${why}` };
  }
  if (schema.type === "object" && schema.additionalProperties === false && next() % 2 === 0) {
    const required = (schema.required ?? []).filter((name: string) => name in value);
    if (required.length > 0 && next() % 2 === 0) {
      const { [required[next() % required.length]]: _, ...rest } = value;
      return { value: rest, why: "one is missing" };
    }
    return { value: { ...value, nonsense: 1 }, why: "one is too many" };
  }
  const wrong = [[], {}, "\u0001 no", -1, 1.5, 10 ** 12, true, null].filter((w) => !allows(document, given, w));
  return wrong.length === 0
    ? { value: { nonsense: Symbol.iterator.toString() }, why: "an object" }
    : { value: wrong[next() % wrong.length], why: "another type" };
}

/** Of a union, the form that the value has. */
function formOf(document: Json, schema: Json, value: Json): Json {
  const forms = schema.anyOf ?? schema.oneOf;
  if (forms === undefined) return schema;
  return (
    forms.map((form: Json) => resolved(document, form)).find((form: Json) => allows(document, form, value)) ?? schema
  );
}

function childrenOf(schema: Json, value: Json): [string | number, Json][] {
  if (schema.type === "array" && Array.isArray(value)) return value.map((_, i) => [i, schema.items]);
  if (schema.type !== "object" || typeof value !== "object" || value === null) return [];
  return Object.keys(value).flatMap((key): [string, Json][] => {
    const of = Object.hasOwn(schema.properties ?? {}, key) ? schema.properties[key] : schema.additionalProperties;
    return of && typeof of === "object" && key !== "__proto__" ? [[key, of]] : [];
  });
}

/** Whether a value has the form: as much of JSON Schema as documents of ours use. */
export function allows(document: Json, given: Json, value: Json): boolean {
  const schema = resolved(document, given);
  const forms = schema.anyOf ?? schema.oneOf;
  if (forms !== undefined) return forms.some((form: Json) => allows(document, form, value));
  if ("const" in schema) return schema.const === value;
  if (schema.enum !== undefined) return schema.enum.includes(value);
  switch (schema.type) {
    case "string":
      return typeof value === "string" && value.length >= (schema.minLength ?? 0);
    case "integer":
    case "number":
      return (
        typeof value === "number" &&
        (schema.type === "number" || Number.isInteger(value)) &&
        value >= (schema.minimum ?? -Infinity) &&
        value <= (schema.maximum ?? Infinity)
      );
    case "boolean":
      return typeof value === "boolean";
    case "null":
      return value === null;
    case "array":
      return (
        Array.isArray(value) &&
        value.length >= (schema.minItems ?? 0) &&
        value.every((v) => allows(document, schema.items, v))
      );
    case "object":
      return (
        typeof value === "object" && value !== null && !Array.isArray(value) && fieldsAllowed(document, schema, value)
      );
    default:
      return true;
  }
}

function fieldsAllowed(
  document: Json,
  { properties = {}, required = [], additionalProperties = true }: Json,
  value: Json,
): boolean {
  if (!required.every((name: string) => Object.hasOwn(value, name))) return false;
  return Object.entries(value).every(([key, v]) => {
    if (Object.hasOwn(properties, key)) return allows(document, properties[key], v);
    return typeof additionalProperties === "object" ? allows(document, additionalProperties, v) : additionalProperties;
  });
}

function brokenQuery({ method, path, spec }: Operation): fc.Arbitrary<Made & { why: string }> {
  const parameters = parametersIn(spec, "query").filter(
    ({ schema }) => schema.type !== "array" && (schema.type !== "string" || schema.enum),
  );
  if (parameters.length === 0) return fc.constant(unknownParameter({ method, path, spec }));
  return fc
    .tuple(fc.constantFrom(...parameters), fc.constantFrom("x", "", "-1", "[]", "null"))
    .map(([{ name }, value]) => {
      const made = written(method, path, {
        params: { name: "web" },
        query: { [name]: value },
        headers: {},
        body: undefined,
      });
      return { ...made, body: spec.requestBody && "{}", why: `${name} is "${value}"` };
    });
}

function unknownParameter({ method, path, spec }: Operation): Made & { why: string } {
  const made = written(method, path, { params: { name: "web" }, query: { nonsense: 1 }, headers: {}, body: undefined });
  return { ...made, body: spec.requestBody && "{}", why: "a parameter too many" };
}
