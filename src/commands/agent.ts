/** `eleven agent`: everything in one process, for whoever runs containers: what it is told is kept, and it is told by files and API. */
import { type ControlGiven, startAgent } from "../agent/agent.ts";
import { startControl } from "../control/server.ts";
import { CONTROL_SOCKET } from "../model/defaults.ts";
import { log, logEverything } from "./log.ts";
import { stay } from "./stay.ts";

export interface AgentCommand {
  /** Config files, directories of them, "-". None: everything comes through the API. */
  readonly config?: readonly string[] | undefined;
  /** Where the API listens, whatever the config says. */
  readonly socket?: string | undefined;
}

/** Runs until a signal says stop; resolves to the exit code. */
export function runAgent({ config = [], socket }: AgentCommand = {}): Promise<number> {
  logEverything();
  const control = ({ options, ...given }: ControlGiven) =>
    startControl({ ...given, ...options, socket: socket ?? options.socket ?? CONTROL_SOCKET });
  return stay(() => startAgent({ paths: config, use: "agent", onNotice: log, startControl: control }));
}
