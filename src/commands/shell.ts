/** What a command has to do with whoever runs it: where it writes, and what it is told beside its words. Tests hand in their own. */
import { complain, print, unread } from "./print.ts";

export interface Shell {
  /** A text and a line end, to standard output. */
  readonly print: (text: string) => void;
  /** The same to standard error. */
  readonly complain: (text: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Each call writes over what the last one wrote; "" leaves nothing. Missing where nobody looks. */
  readonly progress?: (text: string) => void;
  /** Aborted when nobody reads standard output any more. */
  readonly unread?: AbortSignal;
  /** Columns of the terminal that standard output is. */
  readonly width?: number | undefined;
}

export function processShell(): Shell {
  const { stdout, stderr, env } = process;
  const shell = { print, complain, env, unread, width: stdout.isTTY ? stdout.columns : undefined };
  return stderr.isTTY && env["TERM"] !== "dumb" ? { ...shell, progress: overwrite } : shell;
}

/** To the line's begin, the text, and nothing behind it. */
const overwrite = (text: string): void => void process.stderr.write(`\r${text}\u001b[K`);
