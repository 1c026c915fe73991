/** What is wrong with a config file: every problem with file, line, column, path and what would be right. */
import { brief } from "../model/quote.ts";

/** A place in the file: what a problem is about. */
export type Path = readonly (string | number)[];

/**
 * Takes what is wrong with a place. `missing`: because this object ("network", "front") is not there; if that is so because something
 * is wrong with it, too, one complaint is enough.
 */
export type Complain = (path: Path, message: string, missing?: readonly [kind: string, name: string]) => void;

export interface Problem {
  readonly file: string;
  /** From 1; 0: it is about the file, not about anything in it. */
  readonly line: number;
  readonly column: number;
  readonly path: Path;
  readonly message: string;
}

export class ConfigError extends Error {
  readonly code = "config";
  readonly problems: readonly Problem[];

  constructor(found: readonly Problem[]) {
    const files = new Map(found.map(({ file }, i) => [file, i] as const).reverse()); // in the order in which they were read
    const problems = [...found].sort(
      (a, b) => files.get(a.file)! - files.get(b.file)! || a.line - b.line || a.column - b.column,
    );
    super(
      problems
        .map(({ file, line, column, path, message }) =>
          visible(
            `${file}${line > 0 ? `:${line}:${column}` : ""}: ${path.length > 0 ? `${placeText(path)}: ` : ""}${message}`,
          ),
        )
        .join("\n"),
    );
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/** What a file says is shown on a terminal: its control characters must not be obeyed there. */
const visible = (line: string): string =>
  line.replace(/\p{Cc}/gu, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** "services.web.ports.0". */
export const placeText = (path: Path): string => path.map((step) => brief(`${step}`)).join(".");
