/** How a command ends: its exit codes, which scripts rest on, and the error that carries one. */

/** Said in `eleven --help` and docs/cli.md. */
export const EXIT = { done: 0, failed: 1, wrong: 2, unknown: 3, conflict: 4, timeout: 124 } as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_CODES: readonly [code: ExitCode, meaning: string][] = [
  [EXIT.done, "done"],
  [EXIT.failed, "it could not, or the agent is not running"],
  [EXIT.wrong, "the command or the config file is wrong"],
  [EXIT.unknown, "there is no such object, or no such name"],
  [EXIT.conflict, "somebody else has it, uses it, or has changed it meanwhile"],
  [EXIT.timeout, "the time was up"],
];

/** What a command could not do, in words for people. */
export class Failure extends Error {
  readonly code: ExitCode;

  constructor(code: ExitCode, message: string) {
    super(message);
    this.code = code;
  }
}
