/** `eleven serve FILE`: the resolver in the foreground, without API and without a store. What it serves is edited while it runs. */
import { type Agent, startAgent } from "../agent/agent.ts";
import type { ConfigFile } from "../config/schema.ts";
import { log, logEverything } from "./log.ts";
import { stay } from "./stay.ts";
import { UsageError } from "./usage.ts";

export interface ServeOptions {
  /** Network namespace for the files' one sandbox, instead of what they say: it listens on 127.0.0.11:53 there. */
  readonly netns?: string | undefined;
}

/** A file, a directory of files, or "-". Runs until a signal says stop; resolves to the exit code. */
export function serveFile(path: string, options: ServeOptions = {}): Promise<number> {
  logEverything();
  return stay(() => startFile(path, options));
}

/** A node that answers as the files say, listening. */
export function startFile(path: string, { netns }: ServeOptions = {}): Promise<Agent> {
  const amend = netns === undefined ? {} : { amend: (read: ConfigFile) => inNamespace(read, netns, path) };
  return startAgent({ paths: [path], use: "serve", onNotice: log, ...amend });
}

/** Files whose one sandbox is in a namespace, as if they said so. */
function inNamespace(read: ConfigFile, netns: string, path: string): ConfigFile {
  const sandboxes = Object.entries(read.sandboxes ?? {});
  if (sandboxes.length !== 1)
    throw new UsageError(`--netns is for a file with one sandbox; ${path} has ${sandboxes.length}`);
  const [[id, { listen: _, ...sandbox }]] = sandboxes as [(typeof sandboxes)[number]];
  return { ...read, sandboxes: { [id]: { ...sandbox, netns } } };
}
