/** `eleven serve FILE`: the resolver in the foreground. */

import { networkInterfaces } from "node:os";
import { ConfigError, loadAmended } from "../config/load.ts";
import type { Config } from "../config/options.ts";
import type { ConfigFile } from "../config/schema.ts";
import { createNode, type ElevenNode } from "../daemon.ts";
import { placeText } from "../model/address.ts";
import type { ChangeInput } from "../model/input.ts";
import { RegistryError } from "../registry/error.ts";
import { hasNdots } from "../resolv-conf/parse.ts";
import { type ResolvConfChange, watchResolvConf } from "../resolv-conf/watch.ts";
import { version } from "../version.ts";
import { log, logEverything } from "./log.ts";
import { Output } from "./output.ts";
import { untilStopped } from "./signals.ts";
import { UsageError } from "./usage.ts";

export interface ServeOptions {
  /** Network namespace for the file's one sandbox, instead of what the file says: it listens on 127.0.0.11:53 there. */
  readonly netns?: string | undefined;
}

/** Runs until a signal says stop; resolves to the exit code. */
export async function serveFile(file: string, options: ServeOptions = {}): Promise<number> {
  logEverything();
  const stopped = untilStopped(log);
  const { node, stop } = await startFile(file, options);
  new Output(1, (lost) => `lines lost: ${lost}`).write(`eleven ${version}: ${whereItListens(node)}`);
  await stopped;
  await stop();
  return 0;
}

/** A node that answers as the file says, listening. */
export async function startFile(
  file: string,
  { netns }: ServeOptions = {},
): Promise<{ node: ElevenNode; stop: () => Promise<void> }> {
  const config = await loadAmended(file, (read) => (netns === undefined ? read : inNamespace(read, netns, file)));
  const node = nodeFor(config);
  try {
    applyConfig(node, config);
    await node.ready();
  } catch (error) {
    await node.close();
    if (error instanceof ConfigError) throw error;
    throw new Error(`can't listen: ${error instanceof Error ? error.message : error}`);
  }
  process.stdout.on("error", () => {}); // whoever read what a dry run prints has gone
  const unwatch = followResolvConf(config, node);
  return {
    node,
    stop: async () => {
      unwatch();
      await node.close();
    },
  };
}

/** A file whose one sandbox is in a namespace, as if the file said so. */
function inNamespace(read: ConfigFile, netns: string, file: string): ConfigFile {
  const sandboxes = Object.entries(read.sandboxes ?? {});
  if (sandboxes.length !== 1)
    throw new UsageError(`--netns is for a file with one sandbox; ${file} has ${sandboxes.length}`);
  const [[id, { listen: _, ...sandbox }]] = sandboxes as [(typeof sandboxes)[number]];
  return { ...read, sandboxes: { [id]: { ...sandbox, netns } } };
}

/** A node with the file's options; what exists is applied to it. */
function nodeFor({ options }: Config): ElevenNode {
  const { compat, ttl, hostnames, upstreams, forwarder, workers, transport, balance, stateDir } = options;
  return createNode({
    policy: { compat, ttl, hostnames, upstreams: "resolvConf" in upstreams ? [] : upstreams },
    forwarder: {
      maxInFlight: forwarder.maxInFlight,
      cache: forwarder.cache > 0 ? { entries: forwarder.cache } : false,
    },
    workers,
    transport,
    ...(balance && { balance }),
    ...(stateDir !== undefined && { stateDir }),
    keepSockets: true,
    onNotice: log,
  });
}

/** Applies everything in the file; what the registry refuses becomes a ConfigError at its place in the file. */
export function applyConfig(target: { apply(changes: readonly ChangeInput[]): number }, config: Config): void {
  try {
    target.apply(config.changes);
  } catch (error) {
    if (error instanceof RegistryError && error.index !== undefined) throw config.problem(error.index, error.message);
    throw error;
  }
}

function whereItListens(node: ElevenNode): string {
  const parts = [...node.state.sandboxes.keys()].map((id) => {
    const at = node.listening(id).map(({ address, port }) => placeText(address, port));
    return at.length > 0 ? `${id} on ${at.join(" ")}` : `${id} not yet`;
  });
  return parts.length > 0 ? parts.join(", ") : "no sandboxes, nothing listens";
}

/** Upstreams from resolv.conf, now and whenever it changes; addresses of our own are no upstreams. */
function followResolvConf(config: Config, node: ElevenNode): () => void {
  const { upstreams } = config.options;
  if (!("resolvConf" in upstreams)) return () => {};
  const own = ownAddresses(node);
  const follow = ({ upstreams: found, conf, problem }: ResolvConfChange): void => {
    node.setUpstreams(
      found.map((u) => ({ ...u, host: true })),
      { ndots: hasNdots(conf) },
    );
    if (problem !== undefined) log(problem);
  };
  const watch = watchResolvConf(upstreams.resolvConf, follow, { isOwn: (address) => own.has(address) });
  follow(watch.current);
  return () => watch.close();
}

/** Where we ourselves would be the upstream: every address on which a sandbox has port 53. */
function ownAddresses(node: ElevenNode): ReadonlySet<string> {
  const bound = [...node.state.sandboxes.keys()].flatMap((id) => node.listening(id));
  const own = new Set(bound.filter((b) => b.port === 53).map((b) => b.address));
  if (own.has("0.0.0.0") || own.has("::"))
    for (const i of Object.values(networkInterfaces()).flat()) if (i) own.add(i.address);
  return own;
}
