/** Go's templates in the small, carried out: a tree of template-parse.ts and a value give a text. */
import { plain, plainJson } from "./plain.ts";
import { type Call, type Part, parseTemplate, type Word, wrong } from "./template-parse.ts";

export type Template = (value: unknown) => string;

/** Throws a UsageError if it can't be read; the Template, if it asks for what can't be given. */
export function template(text: string): Template {
  const parts = parseTemplate(text, Object.keys(FUNCTIONS));
  return (value) => run(parts, value);
}

/** What it asks of the value itself, first steps only: "a" and "c" of {{range .a}}{{.b}}{{end}}{{.c.d}}. */
export function fieldsAsked(text: string): string[] {
  const asked = (parts: readonly Part[]): string[] =>
    parts.flatMap((part) => {
      if (part.kind === "text") return [];
      const own = part.pipe.flatMap(({ words }) =>
        words.flatMap((word) => (word.kind === "field" ? word.path.slice(0, 1) : [])),
      );
      if (part.kind === "value") return own;
      return [...own, ...(part.kind === "if" ? asked(part.then) : []), ...asked(part.else)];
    });
  return asked(parseTemplate(text, Object.keys(FUNCTIONS)));
}

/** The fields that stand alone at the template's top level, for the head of a table: "ID" for {{.ID}}. */
export function heads(text: string): Template {
  const parts = parseTemplate(text, Object.keys(FUNCTIONS));
  return (names) => {
    const headOf = (part: Part): string => {
      if (part.kind === "text") return part.text;
      const field = part.pipe.flatMap(({ words }) => words).find((word) => word.kind === "field");
      const path = field?.path ?? [];
      const head = path.length === 1 ? lookUp(names, path[0]!) : undefined;
      return head === undefined ? (path.at(-1) ?? "").toUpperCase() : String(head);
    };
    return parts.map(headOf).join("");
  };
}

function run(parts: readonly Part[], dot: unknown): string {
  return parts.map((part) => runPart(part, dot)).join("");
}

function runPart(part: Part, dot: unknown): string {
  switch (part.kind) {
    case "text":
      return part.text;
    case "value": {
      const value = evaluate(part.pipe, dot);
      return part.pipe.at(-1)!.name === "json" || part.pipe.at(-1)!.name === "println"
        ? `${value}`
        : plain(textOf(value));
    }
    case "if":
      return run(isTrue(evaluate(part.pipe, dot)) ? part.then : part.else, dot);
    case "range": {
      const over = evaluate(part.pipe, dot);
      const items = typeof over === "object" && over !== null ? Object.values(over) : [];
      return items.length === 0 ? run(part.else, dot) : items.map((item) => run(part.then, item)).join("");
    }
  }
}

/** Each call's value is the last word of the next. */
function evaluate(pipe: readonly Call[], dot: unknown): unknown {
  let [value, first] = [undefined as unknown, true];
  for (const { name, words } of pipe) {
    const values = words.map((word) => wordValue(word, dot));
    if (!first) values.push(value);
    if (values.length === 0) throw wrong(name, "what of? {{json .}} is an example");
    value = FUNCTIONS[name]!(...(values as [unknown, ...unknown[]]));
    first = false;
  }
  return value;
}

const FUNCTIONS: Readonly<Record<string, (...values: [unknown, ...unknown[]]) => unknown>> = {
  json: (value) => plainJson(value ?? null),
  join: (list, between) => (Array.isArray(list) ? list.map(textOf).join(textOf(between)) : textOf(list)),
  len: (of) => (typeof of === "string" ? of.length : Object.keys(of ?? {}).length),
  upper: (text) => textOf(text).toUpperCase(),
  lower: (text) => textOf(text).toLowerCase(),
  index: (of, key) => lookUp(of, String(key), true),
  println: (...values) => `${values.map((value) => plain(textOf(value))).join(" ")}\n`,
  eq: (a, ...others) => others.some((b) => a === b || textOf(a) === textOf(b)),
  ne: (a, b) => textOf(a) !== textOf(b),
  not: (value) => !isTrue(value),
  value: (value) => value,
};

function wordValue(word: Word, dot: unknown): unknown {
  if (word.kind === "literal") return word.value;
  return word.path.reduce((at, step) => lookUp(at, step), dot);
}

/** Fields are found however they are capitalized: docker writes .Name where our JSON has name. Nothing is found in nothing. */
function lookUp(of: unknown, key: string, exact = false): unknown {
  if (typeof of !== "object" || of === null) return undefined;
  if (Object.hasOwn(of, key)) return (of as Record<string, unknown>)[key];
  if (exact) return undefined;
  const other = Object.keys(of).find((name) => name.toLowerCase() === key.toLowerCase());
  return other === undefined ? undefined : (of as Record<string, unknown>)[other];
}

const isTrue = (value: unknown): boolean =>
  Array.isArray(value)
    ? value.length > 0
    : typeof value === "object" && value !== null
      ? Object.keys(value).length > 0
      : Boolean(value);

/** As Go prints it, but nothing for what is not there, and objects as JSON. */
function textOf(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (Array.isArray(value)) return `[${value.map(textOf).join(" ")}]`;
  return typeof value === "object" ? plainJson(value) : String(value);
}
