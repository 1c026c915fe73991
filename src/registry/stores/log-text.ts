/**
 * The text of a log of changes. First a line that says what it is, then a line of JSON for each time that something was stored:
 *
 *   {"format":"eleven-objects","version":1}
 *   {"sum":"1c291ca3","changes":[{"kind":"network.put","network":{…}}]}
 *
 * `sum` is the CRC-32 of what stands between `"changes":` and the last brace.
 */
import { crc32 } from "node:zlib";
import type { Change } from "../../model/types.ts";

const FORMAT = "eleven-objects";
const VERSION = 1;

export const FIRST_LINE = `${JSON.stringify({ format: FORMAT, version: VERSION })}\n`;

/** What is wrong with a first line; undefined if nothing is. */
export function firstLineProblem(
  line: string,
): { readonly code: "damaged" | "format"; readonly why: string } | undefined {
  const { format, version } = (parsed(line) ?? {}) as { format?: unknown; version?: unknown };
  if (format !== FORMAT || typeof version !== "number") return { code: "damaged", why: "this is no store of Eleven's" };
  if (version <= VERSION) return undefined;
  return {
    code: "format",
    why: `it is of version ${version}, which a newer release wrote; this one knows version ${VERSION}`,
  };
}

export function writeLine(changes: readonly Change[]): string {
  const text = JSON.stringify(changes);
  return `${BEFORE_SUM}${sumOf(text)}${BEFORE_CHANGES}${text}}\n`;
}

/** The changes in a line (without its end); undefined if it is not as it was written. */
export function parseLine(line: string): Change[] | undefined {
  const text = line.slice(HEAD, -1);
  if (line.slice(0, HEAD) !== `${BEFORE_SUM}${sumOf(text)}${BEFORE_CHANGES}` || !line.endsWith("}")) return undefined;
  return parsed(text) as Change[] | undefined;
}

const BEFORE_SUM = '{"sum":"';
const BEFORE_CHANGES = '","changes":';
const HEAD = BEFORE_SUM.length + 8 + BEFORE_CHANGES.length;

const sumOf = (text: string): string => crc32(text).toString(16).padStart(8, "0");

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
