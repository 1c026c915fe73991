/** Anything that came as JSON as text for people: fields below each other, what is in them further in, lists of the same kind as tables. */
import { table } from "./output-format.ts";
import { plain } from "./plain.ts";

/** Lines; of an object, each field's name first. What is empty or not there takes no line. */
export function outline(value: unknown, indent = ""): string[] {
  if (Array.isArray(value)) return value.length === 0 ? [`${indent}none`] : listLines(value, indent);
  if (!isObject(value)) return [indent + shown(value)];
  const fields = Object.entries(value).filter(([, field]) => field !== undefined && field !== null);
  const width = Math.max(...fields.filter(([, field]) => isFlat(field)).map(([name]) => name.length), 0);
  return fields.flatMap(([name, field]) => {
    if (isFlat(field)) return [`${indent}${plain(name).padEnd(width)}  ${flat(field)}`.trimEnd()];
    return [`${indent}${plain(name)}`, ...outline(field, `${indent}  `)];
  });
}

function listLines(list: readonly unknown[], indent: string): string[] {
  if (list.every((item) => isObject(item) && Object.values(item).every(isFlat))) {
    const heads = [...new Set(list.flatMap((item) => Object.keys(item as object)))];
    const rows = list.map((item) => heads.map((head) => flat((item as Record<string, unknown>)[head])));
    return table([heads.map((head) => plain(head).toUpperCase()), ...rows])
      .split("\n")
      .map((line) => indent + line);
  }
  return list.flatMap((item) => {
    const [first, ...more] = outline(item, `${indent}  `);
    return first === undefined ? [] : [`${indent}- ${first.trimStart()}`, ...more];
  });
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isFlat = (value: unknown): boolean =>
  typeof value !== "object" || value === null || (Array.isArray(value) && value.every((v) => typeof v !== "object"));

function flat(value: unknown): string {
  if (!Array.isArray(value)) return shown(value);
  return value.length === 0 ? "none" : value.map(shown).join(" ");
}

function shown(value: unknown): string {
  if (value === true) return "yes";
  if (value === false) return "no";
  return value === undefined || value === null ? "" : plain(String(value));
}
