/**
 * The text of a log of changes. First a line that says what it is, then a line of JSON for each time that something was stored:
 *
 *   {"format":"eleven-objects","version":2,"lines":1}
 *   {"sum":"1c291ca3","revision":7,"changes":[{"kind":"network.put","network":{…}}]}
 *
 * `sum` is the CRC-32 of what stands between it and the last brace, `revision` is what the changes led to. `lines` is how many were on
 * disk before the file had its name: if there are fewer, what is missing was stored. Version 1 had no `lines`, no `revision`, and a sum of
 * the changes alone.
 */
import { crc32 } from "node:zlib";
import type { Change } from "../../model/types.ts";

const FORMAT = "eleven-objects";
const VERSION = 2;

/** What was stored at once. */
export interface Entry {
  readonly changes: readonly Change[];
  readonly revision: number;
}

/** What a first line says; or what is wrong with it. */
export type First =
  | { readonly version: 1 | 2; readonly lines: number }
  | { readonly code: "damaged" | "format"; readonly why: string };

export function writeFirst(lines: number): string {
  return `${JSON.stringify({ format: FORMAT, version: VERSION, lines })}\n`;
}

export function parseFirst(line: string): First {
  const { format, version, lines } = (parsed(line) ?? {}) as Readonly<Record<string, unknown>>;
  if (format === FORMAT && version === 1) return { version, lines: 0 };
  if (format === FORMAT && version === VERSION && Number.isSafeInteger(lines))
    return { version, lines: lines as number };
  if (format !== FORMAT || typeof version !== "number" || version <= VERSION)
    return { code: "damaged", why: "this is no store of Eleven's" };
  const why = `it is of version ${version}, which a newer release wrote; this one knows versions up to ${VERSION}`;
  return { code: "format", why };
}

export function writeLine({ changes, revision }: Entry): string {
  const text = `"revision":${revision},"changes":${JSON.stringify(changes)}`;
  return `${BEFORE_SUM}${sumOf(text)}",${text}}\n`;
}

/** What a line says (without its end); undefined if it is not as it was written. A line of version 1 leads to the revision after `before`. */
export function parseLine(line: string, version: 1 | 2, before: number): Entry | undefined {
  const skipped = HEAD + (version === 1 ? CHANGES.length : 0);
  const text = line.slice(skipped, -1);
  const head = `${BEFORE_SUM}${sumOf(text)}",${version === 1 ? CHANGES : ""}`;
  if (line.slice(0, skipped) !== head || !line.endsWith("}")) return undefined;
  if (version === 2) return parsed(`{${text}}`) as Entry | undefined;
  const changes = parsed(text) as Change[] | undefined;
  return changes && { changes, revision: before + 1 };
}

const BEFORE_SUM = '{"sum":"';
const CHANGES = '"changes":';
const HEAD = BEFORE_SUM.length + 8 + '",'.length;

const sumOf = (text: string): string => crc32(text).toString(16).padStart(8, "0");

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
