/**
 * One process: a node, the config that is in force in it, its store, and its control API, which begins and ends with it. `eleven agent`
 * has them all; `eleven serve` has neither API nor store.
 */
import { join } from "node:path";
import { type FileText, readFiles } from "../config/files.ts";
import { ConfigError, type Draft, draftOf, type LoadOptions } from "../config/load.ts";
import type { ControlFile, Options } from "../config/options.ts";
import { createNode, type ElevenNode } from "../daemon.ts";
import type { Notice } from "../model/notice.ts";
import { StateDir } from "../os/state-dir.ts";
import { Registry } from "../registry/registry.ts";
import { fileStore } from "../registry/stores/file.ts";
import { LiveConfig } from "./live-config.ts";
import { problemsOf } from "./problems.ts";
import { reloadOf } from "./reload.ts";
import { stateLines } from "./state-text.ts";
import { NodeUpstreams } from "./upstreams.ts";

/** What the control API is made of. */
export interface ControlGiven {
  readonly node: ElevenNode;
  readonly config: LiveConfig;
  /** What the files say of its socket. */
  readonly options: ControlFile;
  /** Resolves when the node is ready. */
  readonly ready: Promise<void>;
  readonly onNotice: Notice;
}

export interface AgentOptions extends LoadOptions {
  /** Config files, directories of them, "-" for standard input. */
  readonly paths: readonly string[];
  readonly use: "serve" | "agent";
  /** Missing: there is no control API. */
  readonly startControl?: (given: ControlGiven) => Promise<{ close(): Promise<void> }>;
  readonly onNotice: Notice;
}

export interface Agent {
  readonly node: ElevenNode;
  readonly config: LiveConfig;
  /** How all of it stands, for people. */
  state(): string[];
  close(): Promise<void>;
}

/** Resolves when it answers. Rejects with a ConfigError if the files can't be had, and there is nothing else to answer; then nothing is left open. */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const texts = await readFiles(options.paths);
  const draft = draftOf(texts, options.paths.join(", "), process.env, options);
  if (draft.problems.length > 0) throw allProblems(draft, options.use);
  const node = nodeFor(draft.config.options, options);
  const parts: Closing[] = [node];
  try {
    return await assembled(node, texts, draft, options, parts);
  } catch (error) {
    await closeAll(parts);
    throw error;
  }
}

interface Closing {
  close(): void | Promise<void>;
}

async function assembled(
  node: ElevenNode,
  texts: readonly FileText[],
  draft: Draft,
  options: AgentOptions,
  parts: Closing[],
): Promise<Agent> {
  const { use, onNotice, startControl } = options;
  await node.write([]); // what is stored is there from here on
  const upstreams = new NodeUpstreams(node, onNotice);
  parts.unshift(upstreams);
  const onOptions = (wanted: Options) => upstreams.follow(wanted.upstreams);
  const config = await LiveConfig.begin({ ...options, node, onOptions }, texts, draft);
  parts.unshift(config);
  const ready = node.ready({ tolerated: use === "agent" });
  ready.catch(() => {}); // it is waited for below
  const given = { node, config, options: draft.config.options.control ?? {}, ready, onNotice };
  if (startControl !== undefined) parts.unshift(await startControl(given));
  await ready.catch((error) => {
    throw new Error(`can't listen: ${error instanceof Error ? error.message : error}`);
  });
  if (![...node.state.sandboxes.values()].some(({ listen }) => listen.length > 0))
    onNotice("nothing listens yet: sandboxes come with files or through the API", "info");
  const began = performance.now();
  const state = () => stateLines({ node, config: config.status(), seconds: (performance.now() - began) / 1_000 });
  return { node, config, state, close: () => closeAll(parts) };
}

/** In order, each one whatever the others do; what goes wrong first is thrown. */
async function closeAll(parts: readonly Closing[]): Promise<void> {
  let [failed, first]: [boolean, unknown] = [false, undefined];
  for (const part of parts) {
    try {
      await part.close();
    } catch (error) {
      if (!failed) [failed, first] = [true, error];
    }
  }
  if (failed) throw first;
}

/** Of the files by themselves; where more may be stored, only a node knows what its registry would say. */
function allProblems(draft: Draft, use: AgentOptions["use"]): ConfigError {
  if (use === "agent") return new ConfigError(draft.problems);
  const registry = new Registry();
  return problemsOf(draft, reloadOf(registry.state, draft.config.changes), registry);
}

/** A node with the files' options; an agent's keeps what it is told. */
function nodeFor(options: Options, { use, onNotice }: AgentOptions): ElevenNode {
  const { compat, ttl, hostnames, upstreams, forwarder, workers, transport, balance, stateDir } = options;
  const directory = join(new StateDir(stateDir).path, "objects");
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
    ...(use === "agent" && { store: fileStore({ directory }) }),
    keepSockets: true,
    onNotice,
  });
}
