/** What is wrong with a config file, and where: every problem with file, line, column, path and what would be right. */
import { type Document, isMap, isScalar, LineCounter, type Node, parseDocument } from "yaml";
import type { z } from "zod";
import type { Path } from "./options.ts";

export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly path: Path;
  readonly message: string;
}

export class ConfigError extends Error {
  readonly problems: readonly Problem[];

  constructor(found: readonly Problem[]) {
    const problems = [...found].sort((a, b) => a.line - b.line || a.column - b.column);
    super(
      problems
        .map(
          ({ file, line, column, path, message }) =>
            `${file}:${line}:${column}: ${path.length > 0 ? `${path.join(".")}: ` : ""}${message}`,
        )
        .join("\n"),
    );
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/** The parsed text, able to say where in it something stands. */
export class Source {
  readonly #file: string;
  readonly #document: Document.Parsed;
  readonly #lines = new LineCounter();

  constructor(text: string, file: string) {
    this.#file = file;
    this.#document = parseDocument(text, { lineCounter: this.#lines, uniqueKeys: true });
    const errors = this.#document.errors.map((e) =>
      this.#at(e.pos[0], [], e.message.split("\n")[0]!.replace(/ at line \d+.*$/, "")),
    );
    if (errors.length > 0) throw new ConfigError(errors);
  }

  /** The document as plain values, `${VAR}` and `${VAR:-default}` replaced in every string; `$$` is a dollar sign. */
  values(environment: NodeJS.ProcessEnv): unknown {
    const missing: Problem[] = [];
    const fill = (value: unknown, path: Path): unknown => {
      if (typeof value === "string")
        return value.includes("$") ? this.#substitute(value, path, environment, missing) : value;
      if (Array.isArray(value)) return value.map((v, i) => fill(v, [...path, i]));
      if (typeof value !== "object" || value === null) return value;
      // As a key of an object it would vanish.
      if (Object.hasOwn(value, "__proto__")) missing.push(this.problem([...path, "__proto__"], "is no name", true));
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, fill(v, [...path, k])]));
    };
    let plain: unknown;
    try {
      plain = this.#document.toJS({ maxAliasCount: 100 });
    } catch (error) {
      throw new ConfigError([this.#at(0, [], error instanceof Error ? error.message : String(error))]);
    }
    const filled = fill(plain, []);
    if (missing.length > 0) throw new ConfigError(missing);
    return filled;
  }

  /** A problem at the place of `path`, or at the nearest place around it that is there. */
  problem(path: Path, message: string, key = false): Problem {
    for (let known = [...path]; ; known = known.slice(0, -1)) {
      const offset = key || known.length < path.length ? this.#offsetOfKey(known) : this.#offsetOf(known);
      if (offset !== undefined || known.length === 0) return this.#at(offset ?? 0, path, message);
    }
  }

  #substitute(value: string, path: Path, environment: NodeJS.ProcessEnv, missing: Problem[]): string {
    return value.replace(/\$\$|\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}/g, (all, variable?: string, otherwise?: string) => {
      if (variable === undefined) return all === "$$" ? "$" : all;
      const found = environment[variable] || otherwise;
      if (found === undefined)
        missing.push(
          this.problem(path, `the environment has no ${variable}; write \${${variable}:-default} for a default`),
        );
      return found ?? "";
    });
  }

  #offsetOf(path: Path): number | undefined {
    return (this.#document.getIn(path, true) as Node | undefined)?.range?.[0];
  }

  #offsetOfKey(path: Path): number | undefined {
    const parent = path.length === 1 ? this.#document.contents : this.#document.getIn(path.slice(0, -1), true);
    if (!isMap(parent)) return this.#offsetOf(path);
    const pair = parent.items.find((p) => isScalar(p.key) && String(p.key.value) === String(path[path.length - 1]));
    return isScalar(pair?.key) ? pair.key.range?.[0] : undefined;
  }

  #at(offset: number, path: Path, message: string): Problem {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.#file, line, column: col, path, message };
  }
}

/** zod's issues in our words, unions resolved to the form that was meant. */
export function schemaProblems(issues: readonly z.core.$ZodIssue[], source: Source, around: Path = []): Problem[] {
  return issues.flatMap((issue): Problem[] => {
    const path = [...around, ...(issue.path as Path)];
    switch (issue.code) {
      case "invalid_union":
        return schemaProblems(meant(issue.errors), source, path);
      case "unrecognized_keys":
        return issue.keys.map((key) => source.problem([...path, key], "is no key that is known here", true));
      case "invalid_value":
        return [source.problem(path, `must be ${issue.values.map((v) => `"${String(v)}"`).join(" or ")}`)];
      case "invalid_type":
        return [
          source.problem(
            path,
            issue.message.includes("undefined") ? "is missing" : `must be ${article(issue.expected)}`,
          ),
        ];
      case "too_small":
        return [source.problem(path, `must be at least ${issue.minimum}${issue.origin === "array" ? " long" : ""}`)];
      case "too_big":
        return [source.problem(path, `must be at most ${issue.maximum}`)];
      case "invalid_key":
        return schemaProblems(issue.issues, source, path);
      default:
        return [source.problem(path, issue.message.replace(/^Invalid input: /, ""))];
    }
  });
}

/** Of a union's branches, the one whose complaint lies deepest or is not about the type as such: that form was written. */
function meant(branches: readonly (readonly z.core.$ZodIssue[])[]): readonly z.core.$ZodIssue[] {
  const score = (issues: readonly z.core.$ZodIssue[]) =>
    Math.max(...issues.map((i) => i.path.length * 2 + (i.code === "invalid_type" && i.path.length === 0 ? 0 : 1)));
  return [...branches].sort((a, b) => score(b) - score(a))[0] ?? [];
}

const article = (type: string): string => {
  const words: Record<string, string> = {
    object: "a mapping",
    record: "a mapping",
    array: "a list",
    int: "a whole number",
  };
  return words[type] ?? `a ${type}`;
};
