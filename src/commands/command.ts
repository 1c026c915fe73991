/** The `eleven` command: reads its words, runs one subcommand, and turns errors into exit codes. */
import { ConfigError } from "../config/problems.ts";
import { EXIT, Failure } from "./exit.ts";
import { createProgram } from "./program.ts";
import { Answered } from "./refused.ts";
import { processShell, type Shell } from "./shell.ts";
import { UsageError } from "./usage.ts";

/** Resolves to the exit code. Never rejects. */
export async function command(argv: readonly string[], shell: Shell = processShell()): Promise<number> {
  try {
    const { root, code } = createProgram(shell);
    if (argv.length === 0) root.help();
    await root.parseAsync(argv, { from: "user" });
    return code();
  } catch (error) {
    return failed(error, shell);
  }
}

function failed(error: unknown, { complain }: Shell): number {
  if (error instanceof Answered) return EXIT.done;
  if (error instanceof Failure) {
    complain(`eleven: ${error.message}`);
    return error.code;
  }
  const known = error instanceof ConfigError || error instanceof UsageError;
  complain(known ? error.message : `eleven: ${error instanceof Error ? error.message : error}`);
  return known ? EXIT.wrong : EXIT.failed;
}
