/** The commands that need no running agent: they are one, or look at files. */
import { type Command, Option } from "commander";
import type { Call } from "./client/call.ts";
import { another, type Doing, examples, formatOption } from "./doing.ts";

export function addLocalCommands(root: Command, doing: Doing): void {
  addAgent(root, doing);
  addServe(root, doing);
  addConfig(root, doing);
  addState(root, doing);
  addDoctor(root, doing);
  addCni(root, doing);
  addDemo(root, doing);
}

function addAgent(root: Command, doing: Doing): void {
  const agent = root
    .command("agent")
    .description("as a service: keeps what it is told by config files, which are followed, and through its API")
    .addOption(
      new Option(
        "-c, --config <FILE>",
        "a file, a directory of them, or - for standard input; as often as it is given",
      ).argParser(another),
    );
  doing(agent, async () => {
    const { runAgent } = await import("./agent.ts");
    return ({ options, shell }) =>
      runAgent({
        config: options["config"] as string[] | undefined,
        socket: (options["socket"] as string | undefined) ?? (shell.env["ELEVEN_SOCKET"] || undefined),
      });
  });
  examples(agent, "sudo eleven agent --config /etc/eleven", "sudo eleven agent");
}

function addServe(root: Command, doing: Doing): void {
  const serve = root
    .command("serve")
    .description("answer for the sandboxes of a config, until SIGTERM or SIGINT; edits are followed")
    .argument("<FILE>", "the config file, a directory of them, or - for standard input")
    .option(
      "--netns <NAMESPACE>",
      "NAME, PATH or PID: the file's one sandbox listens on 127.0.0.11:53 in this network namespace",
    );
  doing(serve, async () => {
    const { serveFile } = await import("./serve.ts");
    return ({ words, options }) => serveFile(words[0]!, { netns: options["netns"] as string | undefined });
  });
  examples(serve, "eleven serve examples/swarm.yaml", "sudo eleven serve one.yaml --netns web");
}

function addConfig(root: Command, doing: Doing): void {
  const config = root.command("config").description("look at a config file without running it");
  const check = config
    .command("check")
    .description("say whether the file is good, and if not, what is wrong where")
    .argument("<FILE>", "the config file");
  doing(check, async () => {
    const { checkConfig } = await import("./config.ts");
    return ({ words }) => checkConfig(words[0]!);
  });
  examples(check, "eleven config check /etc/eleven/eleven.yaml");
  const schema = config.command("schema").description("print the JSON Schema of the file, for editors");
  doing(schema, async () => {
    const { printSchema } = await import("./config.ts");
    return async () => printSchema();
  });
  examples(schema, "eleven config schema > eleven.schema.json");
}

function addState(root: Command, doing: Doing): void {
  const state = root.command("state").description("what an agent has stored, on disk");
  const verb = (name: string, description: string) =>
    state
      .command(name)
      .description(description)
      .option("--state-dir <DIR>", "the agent's state directory, if its config names one");
  const dir = ({ options }: Call) => ({ stateDir: options["stateDir"] as string | undefined });
  const check = verb("check", "say what is stored, or what is wrong with it; or the same of a backup");
  doing(check.argument("[FILE]", "a backup; default: what the agent has stored"), async () => {
    const { checkState } = await import("./state.ts");
    return (call) => checkState(call.words[0], dir(call));
  });
  const backup = verb("backup", "write it to a new file; the agent may be running");
  doing(backup.argument("<FILE>", "which must not be there yet"), async () => {
    const { backupState } = await import("./state.ts");
    return (call) => backupState(call.words[0]!, dir(call));
  });
  examples(backup, "eleven state backup /var/backups/eleven-$(date +%F)");
  const restore = verb("restore", "put a backup in its place, which is kept beside it; the agent must have ended");
  doing(restore.argument("<FILE>", "the backup"), async () => {
    const { restoreState } = await import("./state.ts");
    return (call) => restoreState(call.words[0]!, dir(call));
  });
}

function addDoctor(root: Command, doing: Doing): void {
  const doctor = root
    .command("doctor")
    .description(
      "what this machine has for an agent, what is in the way, and what to do about it; exit code 1 for a problem",
    )
    .option("--state-dir <DIR>", "the agent's state directory, if its config names one")
    .addOption(formatOption());
  doing(doctor, async () => (await import("./doctor.ts")).doctor);
}

function addCni(root: Command, doing: Doing): void {
  const cni = root.command("cni").description("the CNI plugin, which container runtimes start: docs/cni.md");
  doing(cni, async () => {
    const { cni } = await import("./cni.ts");
    return ({ shell }) => cni(shell);
  });
}

function addDemo(root: Command, doing: Doing): void {
  const demo = root
    .command("demo")
    .description("as root, a swarm on one machine, live; else a resolver on loopback to try dig on")
    .option("--once", "end when everything has been shown");
  doing(demo, async () => {
    const { demo } = await import("./demo.ts");
    return ({ options }) => demo({ once: options["once"] as boolean | undefined });
  });
}
