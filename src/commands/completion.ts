/**
 * `eleven completion SHELL`: a few lines for the shell, which ask `eleven __complete` at each tab. What there is to say comes from the
 * tree of commands, and names from the agent, so neither can be out of date.
 */
import { Argument, type Command, type Option } from "commander";
import type { NamesOf } from "./complete-names.ts";
import { SCRIPTS } from "./completion-scripts.ts";
import type { Doing } from "./doing.ts";
import { EXIT } from "./exit.ts";
import { KINDS, type Kind, NOUNS } from "./objects/nouns.ts";

export interface Candidate {
  readonly word: string;
  readonly about?: string;
}

export function addCompletion(root: Command, doing: Doing): void {
  const completion = root
    .command("completion")
    .description("completion for a shell: what it prints is to be sourced")
    .addArgument(new Argument("<SHELL>", "which").choices(Object.keys(SCRIPTS)));
  doing(completion, async () => async ({ shell, words }) => {
    shell.print(SCRIPTS[words[0] as keyof typeof SCRIPTS]);
    return EXIT.done;
  });
  completion.addHelpText(
    "after",
    [
      "",
      "Examples:",
      "  $ source <(eleven completion bash)",
      "  $ eleven completion fish > ~/.config/fish/completions/eleven.fish",
    ].join("\n"),
  );
  const complete = root.command("__complete", { hidden: true }).argument("[WORDS...]");
  doing(complete, async () => {
    const { namesFromAgent } = await import("./complete-names.ts");
    return async (call) => {
      for (const { word, about } of await candidates(root, call.words, namesFromAgent(call)))
        call.shell.print(about === undefined ? word : `${word}\t${about}`);
      return EXIT.done;
    };
  });
}

/** What the last word may become. None: the shell may try files. */
export async function candidates(root: Command, words: readonly string[], namesOf: NamesOf): Promise<Candidate[]> {
  const typed = words.at(-1) ?? "";
  const place = placeOf(root, words.slice(0, -1));
  const all = await whatFits(place, typed, namesOf);
  return all.filter(({ word }) => word.startsWith(typed));
}

interface Place {
  readonly command: Command;
  /** Arguments that stand before. */
  readonly passed: number;
  /** The option whose value comes next. */
  readonly option: Option | undefined;
  readonly socket: string | undefined;
}

function placeOf(root: Command, before: readonly string[]): Place {
  let [command, passed, socket] = [root, 0, undefined as string | undefined];
  let option: Option | undefined;
  for (const word of before) {
    if (option !== undefined) {
      if (option.long === "--socket") socket = word;
      option = undefined;
    } else if (word.startsWith("-")) {
      const known = optionsOf(command).find(({ short, long }) => word === short || word === long);
      option = known?.required || known?.optional ? known : undefined;
    } else {
      const sub = command.commands.find((one) => one.name() === word || one.aliases().includes(word));
      if (sub === undefined) passed++;
      else command = sub;
    }
  }
  return { command, passed, option, socket };
}

const optionsOf = (command: Command): Option[] =>
  command.parent === null ? [...command.options] : [...command.options, ...optionsOf(command.parent)];

async function whatFits(place: Place, typed: string, namesOf: NamesOf): Promise<Candidate[]> {
  const { command, passed, option, socket } = place;
  if (option !== undefined) return values(option.argChoices, option.flags, (kind) => namesOf(kind, typed, socket));
  if (typed.startsWith("-"))
    return optionsOf(command).flatMap(({ long, description, hidden }) =>
      long && !hidden ? [{ word: long, about: description }] : [],
    );
  if (command.commands.length > 0 && passed > 0) return []; // a word that is no command: nothing fits behind it
  if (command.commands.length > 0)
    return command
      .createHelp()
      .visibleCommands(command)
      .map((sub) => ({ word: sub.name(), about: sub.description() }));
  const argument = command.registeredArguments[Math.min(passed, command.registeredArguments.length - 1)];
  if (argument === undefined || (passed >= command.registeredArguments.length && !argument.variadic)) return [];
  return values(argument.argChoices, `<${argument.name()}>`, (kind) => namesOf(kind, typed, socket));
}

/** Of "--from <SANDBOX>" sandboxes; of "<SERVICE=REPLICAS>" services, and what stands behind them. */
async function values(
  choices: readonly string[] | undefined,
  term: string,
  namesOf: (kind: Kind) => Promise<readonly string[]>,
): Promise<Candidate[]> {
  if (choices !== undefined) return choices.map((word) => ({ word }));
  const [, placeholder = "", more = ""] = /<([A-Z]+)(=)?/.exec(term) ?? [];
  const kind = KINDS.find((one) => one.toUpperCase() === placeholder);
  if (kind === undefined) return [];
  const names = await namesOf(kind);
  return names.map((name) => ({ word: name + more, about: NOUNS[kind].kind }));
}
