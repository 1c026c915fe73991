/** Looks at this machine as an agent will find it: kernel, rights, files, neighbours; each with what to do about it. */
import type { Check, Finding, Machine } from "./finding.ts";
import { unknown } from "./finding.ts";
import { backends, bridges, connections, forwarding } from "./kernel.ts";
import { docker, firewalld, networkManager, resolved, ufw } from "./neighbours.ts";
import { type AgentAnswer, agent, stateDirectory } from "./place.ts";
import { capabilities, descriptors, inotify, node, systemCalls } from "./process.ts";

export interface DoctorOptions {
  readonly stateDir: string;
  readonly socket: string;
  /** What it says of itself; "not allowed": this user may not ask it; undefined: nobody answers. */
  readonly agent?: AgentAnswer | "not allowed" | undefined;
}

/** In the order in which they are best mended. Never rejects: a check that fails is "unknown". */
export async function examine(machine: Machine, options: DoctorOptions): Promise<Finding[]> {
  const checks: Readonly<Record<string, Check | typeof backends>> = {
    ...{ node, "system calls": systemCalls, capabilities, "open files": descriptors, "file watches": inotify },
    ...{ backends, "tracked connections": connections, forwarding, bridges },
    ...{ firewalld, ufw, docker, NetworkManager: networkManager, upstreams: resolved },
    ...{ state: stateDirectory(options.stateDir), agent: agent(options.socket, options.agent) },
  };
  const findings: Finding[] = [];
  for (const [name, check] of Object.entries(checks)) findings.push(...(await looked(name, check, machine)));
  return findings;
}

async function looked(name: string, check: Check | typeof backends, machine: Machine): Promise<Finding[]> {
  try {
    return [await check(machine)].flat();
  } catch (error) {
    return [unknown(name, `it could not be looked at: ${error instanceof Error ? error.message : error}`)];
  }
}
