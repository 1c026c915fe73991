/** The `eleven` command: reads its arguments, runs one subcommand, and turns errors into exit codes. */
import { parseArgs } from "node:util";
import { ConfigError } from "../config/load.ts";
import { version } from "../version.ts";
import { runAgent } from "./agent.ts";
import { checkConfig, printSchema } from "./config.ts";
import { demo } from "./demo.ts";
import { complain, print } from "./print.ts";
import { serveFile } from "./serve.ts";
import { backupState, checkState, restoreState, type StateOptions } from "./state.ts";
import { UsageError } from "./usage.ts";

/** Resolves to the exit code. Never rejects. */
export async function command(argv: readonly string[]): Promise<number> {
  try {
    return await run(argv);
  } catch (error) {
    const known = error instanceof ConfigError || error instanceof UsageError;
    complain(known ? error.message : `eleven: ${error instanceof Error ? error.message : error}`);
    return known ? 2 : 1;
  }
}

const HELP = `eleven ${version}: container names, as Docker's embedded DNS answers them

  eleven agent                as a service: keeps what it is told by config files (and read again when they change)
    --config FILE|DIR|-       each of them, as often as it is given
  eleven serve FILE|DIR|-     answer for the sandboxes of a config, until SIGTERM or SIGINT; edits are followed
    --netns NAME|PATH|PID     the file's one sandbox listens on 127.0.0.11:53 in this network namespace
  eleven config check FILE    say whether the file is good, and if not, what is wrong where
  eleven config schema        print the JSON Schema of the file, for editors
  eleven state check [FILE]   say what an agent has stored, or what is wrong with it; or the same of a backup
  eleven state backup FILE    write it to a new file; the agent may be running
  eleven state restore FILE   put a backup in its place, which is kept beside it; the agent must have ended
    --state-dir DIR           the agent's state directory, if its config names one
  eleven demo                 as root, a swarm on one machine, live; else a resolver on loopback to try dig on
    --once                    end when everything has been shown

  -h, --help   -V, --version

Exit codes: 0 done, 1 it could not run, 2 the command or the config file is wrong.`;

async function run(argv: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(argv);
  if (values.version) return said(version);
  if (values.help || positionals.length === 0) return said(HELP);
  const [command, ...rest] = positionals;
  switch (command) {
    case "serve":
      return serveFile(one(rest, "eleven serve FILE"), { netns: values.netns });
    case "agent":
      if (rest.length > 0) throw new UsageError("usage: eleven agent [--config FILE|DIR|-]...");
      return runAgent({ config: values.config });
    case "config":
      if (rest[0] === "check") return checkConfig(one(rest.slice(1), "eleven config check FILE"));
      if (rest[0] === "schema") return printSchema();
      throw new UsageError("usage: eleven config check FILE, or eleven config schema");
    case "state":
      return state(rest, { stateDir: values["state-dir"] });
    case "demo":
      return demo({ once: values.once });
    default:
      throw new UsageError(`there is no command "${command}"; eleven --help lists them`);
  }
}

function state([verb, ...files]: readonly string[], options: StateOptions): Promise<number> {
  if (verb === "check" && files.length <= 1) return checkState(files[0], options);
  const [file] = files;
  if (verb === "backup" && file !== undefined && files.length === 1) return backupState(file, options);
  if (verb === "restore" && file !== undefined && files.length === 1) return restoreState(file, options);
  throw new UsageError("usage: eleven state check [FILE], eleven state backup FILE, or eleven state restore FILE");
}

function readArguments(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        help: { type: "boolean", short: "h" },
        version: { type: "boolean", short: "V" },
        netns: { type: "string" },
        config: { type: "string", multiple: true },
        once: { type: "boolean" },
        "state-dir": { type: "string" },
      },
    });
  } catch (error) {
    // Node goes on with what positional arguments are, which nobody has asked.
    const [first] = (error instanceof Error ? error.message : String(error)).split(". ");
    throw new UsageError(`${first}; eleven --help lists what there is`);
  }
}

function one(words: readonly string[], usage: string): string {
  const [file, ...more] = words;
  if (file === undefined || more.length > 0) throw new UsageError(`usage: ${usage}`);
  return file;
}

function said(text: string): number {
  print(text);
  return 0;
}
