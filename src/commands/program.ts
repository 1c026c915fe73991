/** The `eleven` command as a tree: every subcommand, option and example, and what each of them does. Nothing of the engine is loaded. */
import { Command, InvalidArgumentError, Option } from "commander";
import { version } from "../version.ts";
import { addAgentCommands } from "./agent-commands.ts";
import { addCompletion } from "./completion.ts";
import { doingFor } from "./doing.ts";
import { EXIT_CODES } from "./exit.ts";
import { addLocalCommands } from "./local-commands.ts";
import { addNouns } from "./objects/noun-commands.ts";
import { refused, wordOf } from "./refused.ts";
import type { Shell } from "./shell.ts";

export interface Program {
  readonly root: Command;
  /** What the command that was run has ended with. */
  readonly code: () => number;
}

export function createProgram(shell: Shell): Program {
  let code = 0;
  const root = new Command("eleven");
  const help = { showGlobalOptions: true, subcommandTerm };
  root
    .description(`eleven ${version}: container names, as Docker's embedded DNS answers them`)
    .configureHelp(help)
    .configureOutput({
      writeOut: (text) => shell.print(text.trimEnd()),
      writeErr: () => {},
      getOutHelpWidth: () => shell.width ?? 100,
    })
    .helpOption("-h, --help", "what there is, here and behind each command")
    .version(version, "-V, --version", "the version")
    .addOption(
      new Option(
        "--socket <PATH>",
        "where eleven agent listens (or ELEVEN_SOCKET; default: /run/eleven/eleven.sock)",
      ).argParser(path),
    );
  const doing = doingFor(shell, (ended) => {
    code = ended;
  });
  root.commandsGroup("It runs:");
  addLocalCommands(root, doing);
  root.commandsGroup("What exists, in a running agent:");
  addNouns(root, doing);
  root.commandsGroup("A running agent:");
  addAgentCommands(root, doing);
  root.commandsGroup("Beside it:");
  addCompletion(root, doing);
  root.helpCommand("help [COMMAND]", "the same as --help");
  root.addHelpText(
    "after",
    `\nExit codes:\n${EXIT_CODES.map(([c, meaning]) => `  ${String(c).padEnd(4)} ${meaning}`).join("\n")}`,
  );
  forEach(root, (command) => {
    command.exitOverride((error) => refused(error, command));
    if (command !== root) command.helpCommand(false);
  });
  return { root, code: () => code };
}

function path(text: string): string {
  if (text === "") throw new InvalidArgumentError("It must be a path.");
  return text;
}

/** In lists of commands, without all their options. */
function subcommandTerm(command: Command): string {
  const words = command.registeredArguments.map((argument) => {
    const word = wordOf(argument);
    return argument.required ? word : `[${word}]`;
  });
  return [command.name(), ...(command.commands.length > 0 ? ["COMMAND"] : words)].join(" ");
}

export function forEach(command: Command, act: (command: Command) => void): void {
  act(command);
  for (const sub of command.commands) forEach(sub, act);
}
