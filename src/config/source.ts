/**
 * A config file's text, read as YAML: its plain values, and where in the text each of them stands. Whatever the text, this takes
 * time and memory in proportion to its length, and throws nothing but a ConfigError.
 */
import { type Document, isCollection, isMap, isScalar, LineCounter, type Node, parseDocument } from "yaml";
import { brief } from "../model/quote.ts";
import { ConfigError, type Path, type Problem } from "./problems.ts";

/** No file that means anything goes deeper than a dozen; what recurses over values is safe up to here. */
const DEEPEST = 64;

export class Source {
  readonly #file: string;
  readonly #document: Document.Parsed;
  readonly #lines = new LineCounter();
  #places: ReadonlyMap<string, Place> | undefined;

  constructor(text: string, file: string) {
    this.#file = file;
    // The parser compares each key with all before it; ours are looked at below.
    this.#document = parseDocument(text, { lineCounter: this.#lines, uniqueKeys: false, logLevel: "error" });
    const { errors, warnings, contents } = this.#document;
    const found = [...errors, ...warnings].map((e) => this.#at(e.pos[0], [], reason(e.message)));
    if (found.length === 0) this.#check(contents, 0, found);
    if (found.length > 0) throw new ConfigError(found);
  }

  /**
   * The document as plain values, `${VAR}` and `${VAR:-default}` replaced in every string; `$$` is a dollar sign. What can't be had of it
   * is a problem at its place, and no more than a gap in the values.
   */
  values(environment: NodeJS.ProcessEnv): { readonly values: unknown; readonly problems: readonly Problem[] } {
    const problems: Problem[] = [];
    const around = new Set<object>();
    const fill = (value: unknown, path: Path): unknown => {
      if (typeof value === "string")
        return value.includes("$") ? this.#substitute(value, path, environment, problems) : value;
      if (typeof value !== "object" || value === null) return value;
      if (!Array.isArray(value) && Object.getPrototypeOf(value) !== Object.prototype) return value; // YAML 1.1's sets, dates, octets
      if (around.has(value) || around.size > DEEPEST) {
        problems.push(this.problem(path, around.has(value) ? "contains itself" : TOO_DEEP, true));
        return undefined;
      }
      around.add(value);
      // As a key of an object it would vanish.
      if (Object.hasOwn(value, "__proto__")) problems.push(this.problem([...path, "__proto__"], "is no name", true));
      const filled = Array.isArray(value)
        ? value.map((v, i) => fill(v, [...path, i]))
        : Object.fromEntries(
            Object.entries(value).flatMap(([k, v]) => (k === "__proto__" ? [] : [[k, fill(v, [...path, k])]])),
          );
      around.delete(value);
      return filled;
    };
    let plain: unknown;
    try {
      plain = this.#document.toJS({ maxAliasCount: 100 });
    } catch (error) {
      throw new ConfigError([this.#at(0, [], reason(error instanceof Error ? error.message : String(error)))]);
    }
    return { values: fill(plain, []), problems };
  }

  /** A problem at the place of `path`, or at the nearest place around it that is there. */
  problem(path: Path, message: string, key = false): Problem {
    this.#places ??= placesOf(this.#document.contents);
    for (let known = path; ; known = known.slice(0, -1)) {
      const place = this.#places.get(placeKey(known));
      const offset = key || known.length < path.length ? (place?.key ?? place?.value) : place?.value;
      if (offset !== undefined || known.length === 0) return this.#at(offset ?? 0, path, message);
    }
  }

  /** Keys are plain and stand once in their mapping, and nothing is nested beyond reason. */
  #check(node: unknown, depth: number, found: Problem[]): void {
    if (!isCollection(node)) return;
    if (depth > DEEPEST) {
      found.push(this.#at(node.range?.[0] ?? 0, [], TOO_DEEP));
      return;
    }
    const keys = new Set<string>();
    for (const item of node.items) {
      if (!isMap(node)) {
        this.#check(item, depth + 1, found);
        continue;
      }
      const { key, value } = item as (typeof node.items)[number];
      const text = isScalar(key) ? String(key.value) : undefined;
      const at = (key as Node | null)?.range?.[0] ?? 0;
      if (text === undefined) found.push(this.#at(at, [], "a key must be plain text"));
      else if (keys.has(text)) found.push(this.#at(at, [], "Map keys must be unique"));
      else keys.add(text);
      this.#check(value, depth + 1, found);
    }
  }

  #substitute(value: string, path: Path, environment: NodeJS.ProcessEnv, missing: Problem[]): string {
    const end = value.lastIndexOf("}") + 1; // behind it no variable can end: looking for one from each "${" would take squares
    const filled = value.slice(0, end).replace(VARIABLE, (all, variable?: string, otherwise?: string) => {
      if (variable === undefined) return all === "$$" ? "$" : all;
      const found = (Object.hasOwn(environment, variable) && environment[variable]) || otherwise;
      if (found === undefined)
        missing.push(
          this.problem(
            path,
            `the environment has no ${brief(variable)}; write \${${brief(variable)}:-default} for a default`,
          ),
        );
      return found ?? "";
    });
    return filled + value.slice(end).replaceAll("$$", "$");
  }

  #at(offset: number, path: Path, message: string): Problem {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.#file, line, column: col, path, message };
  }
}

const TOO_DEEP = `is nested more than ${DEEPEST} levels deep`;

const reason = (message: string): string =>
  message.startsWith("Maximum call stack")
    ? TOO_DEEP
    : message.startsWith("Source contains multiple documents")
      ? "a second document begins here: write a file for each"
      : brief(message.split("\n")[0]!.replace(/ at line \d+.*$/, ""));

const VARIABLE = /\$\$|\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}/g;

/** Offsets in the text: where a value begins, and the key in front of it if it is in a mapping. */
interface Place {
  readonly key: number | undefined;
  readonly value: number | undefined;
}

const placeKey = (path: Path): string => path.join("\0");

/** All places of the document, by path. Made when there is something to complain of. */
function placesOf(contents: unknown): Map<string, Place> {
  const places = new Map<string, Place>();
  const visit = (node: unknown, path: string, key: number | undefined): void => {
    places.set(path, { key, value: (node as Node | null)?.range?.[0] });
    if (!isCollection(node)) return;
    const inside = path === "" ? "" : `${path}\0`;
    for (const [i, item] of node.items.entries()) {
      if (!isMap(node)) visit(item, `${inside}${i}`, undefined);
      else {
        const { key: k, value } = item as (typeof node.items)[number];
        if (isScalar(k)) visit(value, `${inside}${k.value}`, k.range?.[0]);
      }
    }
  };
  visit(contents, "", undefined);
  return places;
}
