/** The commands that need no running agent: they are one, or look at files. */
import type { Command } from "commander";
import { type Doing, examples } from "./doing.ts";

export function addLocalCommands(root: Command, doing: Doing): void {
  const serve = root
    .command("serve")
    .description("answer for the sandboxes of a config file, until SIGTERM, SIGINT, SIGHUP or SIGQUIT")
    .argument("<FILE>", "the config file")
    .option(
      "--netns <NAMESPACE>",
      "NAME, PATH or PID: the file's one sandbox listens on 127.0.0.11:53 in this network namespace",
    );
  doing(serve, async () => {
    const { serveFile } = await import("./serve.ts");
    return ({ words, options }) => serveFile(words[0]!, { netns: options["netns"] as string | undefined });
  });
  examples(serve, "eleven serve examples/swarm.yaml", "sudo eleven serve one.yaml --netns web");
  addConfig(root, doing);
  const demo = root
    .command("demo")
    .description("as root, a swarm on one machine, live; else a resolver on loopback to try dig on")
    .option("--once", "end when everything has been shown");
  doing(demo, async () => {
    const { demo } = await import("./demo.ts");
    return ({ options }) => demo({ once: options["once"] as boolean | undefined });
  });
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
