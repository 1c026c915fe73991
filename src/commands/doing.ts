/** How words become acts: what every command of the tree is made of. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Call } from "./client/call.ts";
import type { ExitCode } from "./exit.ts";
import type { Shell } from "./shell.ts";
import { checkFormat } from "./text/output-format.ts";

export type Act = (call: Call) => Promise<number>;

/** Makes a command do something, which is loaded only then: `eleven --help` must not load the engine. */
export type Doing = (command: Command, load: () => Promise<Act>) => Command;

/** `finished` is told the exit code. */
export const doingFor =
  (shell: Shell, finished: (code: ExitCode | number) => void): Doing =>
  (command, load) =>
    command.action(async () => {
      const { format } = command.opts();
      if (format !== undefined) checkFormat(format); // before anything is done, not after
      const act = await load();
      finished(await act({ shell, words: command.args, options: command.optsWithGlobals() }));
    });

/** Examples below the help of a command. */
export const examples = (command: Command, ...lines: readonly string[]): Command =>
  command.addHelpText("after", `\nExamples:\n${lines.map((line) => `  $ ${line}`).join("\n")}`);

export const formatOption = (): Option =>
  new Option(
    "--format <FORMAT>",
    "json, table, or a template: '{{.ID}} {{.Name}}', 'table {{.ID}}\\t{{json .labels}}'",
  );

export const filterOption = (keys: string): Option =>
  new Option("-f, --filter <KEY=VALUE>", `only those; keys: ${keys}`).argParser(another);

export const quietOption = (what: string): Option => new Option("-q, --quiet", what);

/** Of commands that write: `wait` is "applied", "drained" or false. */
export function waiting(command: Command): Command {
  return command
    .addOption(
      new Option("--wait <FOR>", "until it is in names and kernel, or until those who left have finished")
        .choices(["applied", "drained"])
        .default("applied"),
    )
    .option("--no-wait", "until it is written, no longer")
    .addOption(timeoutOption());
}

export const timeoutOption = (): Option =>
  new Option("--timeout <SECONDS>", "how long it is waited; then the exit code is 124").default(30).argParser(seconds);

export function whole(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(text);
}

function seconds(text: string): number {
  const number = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || number > 86_400) throw new InvalidArgumentError("It must be seconds, 0 to 86400.");
  return number;
}

/** One more of an option that may be given again. */
export const another = (text: string, before: unknown): string[] => [...((before as string[] | undefined) ?? []), text];
