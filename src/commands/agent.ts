/** `eleven agent`: everything in one process, for whoever runs containers: what it is told is kept, and it is told by files and API. */
import { type AgentOptions, startAgent } from "../agent/agent.ts";
import { log, logEverything } from "./log.ts";
import { stay } from "./stay.ts";

export interface AgentCommand extends Pick<AgentOptions, "startControl"> {
  /** Config files, directories of them, "-". None: everything comes through the API. */
  readonly config?: readonly string[] | undefined;
}

/** Runs until a signal says stop; resolves to the exit code. */
export function runAgent({ config = [], startControl }: AgentCommand = {}): Promise<number> {
  logEverything();
  return stay(() =>
    startAgent({ paths: config, use: "agent", onNotice: log, ...(startControl !== undefined && { startControl }) }),
  );
}
