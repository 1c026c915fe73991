/** Rows of anything as what --format asks for: docker's table, a line of JSON each, or a line of a template each. */

import { UsageError } from "../usage.ts";
import { closest } from "./closest.ts";
import { plain, plainJson } from "./plain.ts";
import { fieldsAsked, heads, template } from "./template.ts";

/** What a template calls it, what a table's head does, and what of a row it is. */
export interface Column<Row> {
  readonly name: string;
  readonly head: string;
  readonly of: (row: Row) => string;
  /** Known to templates only. */
  readonly hidden?: boolean;
}

/** "" and undefined: a table of all columns, long ids and very long cells cut short unless `whole`. A template sees a row's columns and its own fields, and `json .` the row itself. */
export function formatRows<Row extends object>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  format: string | undefined,
  { whole = false }: { readonly whole?: boolean } = {},
): string {
  if (format === undefined || format === "" || format === "table")
    return allColumns(rows, columns, whole ? (cell) => cell : (cell) => clipped(shortened(cell)));
  if (format === "json") return rows.map((row) => plainJson(row)).join("\n");
  const [, asTable, text] = /^(table\s+)?([\s\S]*)$/.exec(unescaped(format)) as unknown as [string, string?, string?];
  checkFields(text!, [...columns.map(({ name }) => name), ...rows.flatMap((row) => Object.keys(row))]);
  const write = template(text!);
  const lines = rows.map((row) => write(seen(row, columns)));
  if (asTable === undefined) return lines.join("\n");
  const head = heads(text!)(Object.fromEntries(columns.map((column) => [column.name, column.head])));
  return table([head, ...lines].map((line) => line.split("\t")));
}

/** Throws a UsageError if it can't be read. */
export function checkFormat(format: string): void {
  if (format !== "json" && format !== "table") template(unescaped(format));
}

/** One thing, not a list of them: JSON to be read by people, or a line of a template. */
export function formatOne(value: object, format: string): string {
  return format === "json" ? plainJson(value, 2) : template(unescaped(format))(value);
}

/** Cells below each other, two blanks between. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Of the ids that containers have, so much is shown. */
export const SHORT = 12;

export const shortened = (text: string): string => text.replace(/\b[0-9a-f]{64}\b/g, (id) => id.slice(0, SHORT));

/** One object with a name of a page would make a table of pages. */
const LONGEST = 200;

const clipped = (cell: string): string =>
  cell.length <= LONGEST ? cell : `${cell.slice(0, LONGEST).replace(/[\ud800-\udbff]$/, "")}…`;

function allColumns<Row>(rows: readonly Row[], columns: readonly Column<Row>[], cut: (cell: string) => string): string {
  const shown = columns.filter(({ hidden }) => !hidden);
  return table([shown.map(({ head }) => head), ...rows.map((row) => shown.map(({ of }) => plain(cut(of(row)))))]);
}

/** A field that nothing has is a slip of the pen; one that this row lacks is empty. */
function checkFields(text: string, known: readonly string[]): void {
  const names = new Set(known.map((name) => name.toLowerCase()));
  const strange = fieldsAsked(text).find((field) => !names.has(field.toLowerCase()));
  if (strange === undefined) return;
  const like = closest(strange, known);
  const fields = [...new Set(known)].map((name) => `.${name}`).join(" ");
  throw new UsageError(
    `--format: there is no field .${strange}; ${like ? `did you mean .${like}?` : `there are ${fields}`}`,
  );
}

/** Computed when they are asked for. `json .` shows none of them. */
function seen<Row extends object>(row: Row, columns: readonly Column<Row>[]): object {
  const view = { ...row };
  for (const { name, of } of columns)
    if (!Object.hasOwn(row, name)) Object.defineProperty(view, name, { get: () => of(row) });
  return view;
}

/** "\t" and "\n" as typed in a shell. */
const unescaped = (format: string): string =>
  format.replace(/\\([tn\\])/g, (_, letter: string) => ({ t: "\t", n: "\n" })[letter] ?? letter);
