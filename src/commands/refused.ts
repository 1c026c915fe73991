/** Words that commander can't make sense of, said in our way: what is wrong, what was probably meant, where to read on. */
import type { Argument, Command, CommanderError } from "commander";
import { UsageError } from "./usage.ts";

/** What was asked for has been printed, and nothing else is to be done. */
export class Answered extends Error {}

/** Throws, always. `command` is the one that did not like its words. */
export function refused({ code, message, exitCode }: CommanderError, command: Command): never {
  if (exitCode === 0) throw new Answered();
  const help = `${pathOf(command)} --help`;
  const [said = "", like] = meant(message);
  const next = like === undefined ? help : `did you mean ${like}? ${help}`;
  switch (code) {
    case "commander.help":
      throw new UsageError(usageOfGroup(command));
    case "commander.missingArgument":
    case "commander.excessArguments":
      throw new UsageError(`usage: ${usageOf(command)}`);
    case "commander.unknownCommand": {
      const word = [...pathOf(command).split(" ").slice(1), /'(.*)'/s.exec(said)?.[1]].join(" ");
      throw new UsageError(`there is no command "${word}"; ${next} lists them`);
    }
    case "commander.unknownOption":
      throw new UsageError(`${said}; ${next} lists what there is`);
    default:
      throw new UsageError(`${said.replace(/\.$/, "")}; ${next} says more`);
  }
}

/** "Unknown option '--netsn'" and "--netns" of "error: unknown option '--netsn'\n(Did you mean --netns?)". */
function meant(message: string): [said: string, like: string | undefined] {
  const [first = "", suggestion] = message.replace(/^error: /, "").split("\n");
  const [, like] = /^\(Did you mean (?:one of )?(.*)\?\)$/.exec(suggestion ?? "") ?? [];
  return [first.charAt(0).toUpperCase() + first.slice(1), like];
}

/** "eleven config check". */
export function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

/** "eleven query NAME [TYPE]". */
const usageOf = (command: Command): string =>
  [pathOf(command), ...command.registeredArguments.map((a) => (a.required ? wordOf(a) : `[${wordOf(a)}]`))].join(" ");

export const wordOf = (argument: Argument): string => `${argument.name()}${argument.variadic ? "..." : ""}`;

function usageOfGroup(command: Command): string {
  const subcommands = command.commands.filter((sub) => sub.name() !== "help");
  if (subcommands.length <= 3)
    return `usage: ${subcommands
      .map(usageOf)
      .join(", ")
      .replace(/, (?=[^,]*$)/, ", or ")}`;
  const path = pathOf(command);
  return `usage: ${path} ${subcommands.map((sub) => sub.name()).join("|")}; ${path} --help says more`;
}
