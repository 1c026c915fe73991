/**
 * Tools that run in a target's namespace (nft, iptables). A container may have written what they read there, for their parsers, so
 * they may do nothing but program that namespace's network, and neither print nor take without end.
 */
import { capabilitiesOf, type Done, exec } from "../../../os/exec.ts";
import type { LbTarget } from "../../state.ts";

export interface ToolOptions {
  /** Standard input. */
  readonly input?: string;
  /** Milliseconds, in a container's namespace. Default 5 000. */
  readonly timeout?: number;
  /** Octets of output, in a container's namespace: little enough to be read on this thread. Default 8 MiB. */
  readonly most?: number;
}

/** Runs a tool to its end. Rejects, as `exec` does, if it can't be started. */
export function runTool(
  target: LbTarget,
  name: string,
  args: readonly string[],
  { input = "", timeout = 5_000, most = 8 << 20 }: ToolOptions = {},
): Promise<Done> {
  const limits = target.kind === "sandbox" ? { timeout, most } : { timeout: 30_000, most: 256 << 20 };
  return exec(name, args, { netns: target.netns, capabilities: capabilitiesOf(name), input, ...limits });
}
