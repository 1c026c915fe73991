/**
 * Tools that run in a target's namespace (iptables). A container may have written what they read there, for their parsers, so
 * they may do nothing but program that namespace's network, and neither print nor take without end.
 */
import { capabilitiesOf, type Done, exec, said } from "../../../os/exec.ts";
import type { LbTarget } from "../../state.ts";
import { LbError } from "../backend.ts";
import { lbError } from "./failure.ts";

export interface ToolOptions {
  /** Standard input. */
  readonly input?: string;
  /** Milliseconds, in a container's namespace. Default 5 000. */
  readonly timeout?: number;
  /** Octets of output, in a container's namespace: little enough to be read on this thread. Default 8 MiB. */
  readonly most?: number;
}

/** Runs a tool to its end, however that is. Rejects with an LbError if it can't be started: it, or the namespace, is not there. */
export async function runTool(
  target: LbTarget,
  name: string,
  args: readonly string[],
  { input = "", timeout = 5_000, most = 8 << 20 }: ToolOptions = {},
): Promise<Done> {
  const limits = target.kind === "sandbox" ? { timeout, most } : { timeout: 30_000, most: 256 << 20 };
  try {
    return await exec(name, args, { netns: target.netns, capabilities: capabilitiesOf(name), input, ...limits });
  } catch (error) {
    const { code, syscall = "" } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" || !syscall.startsWith("spawn")) throw lbError(target, name, error);
    throw new LbError("missing", target, `${name} is not installed (Debian's package iptables)`);
  }
}

/** What a tool that failed said, in one line, or what became of it: one that is ended says nothing. */
export function wordsOf({ status, stderr }: Done, tool: string): string {
  if (stderr !== "") return said(stderr);
  return status < 0
    ? `${tool} took too long, or printed too much, and was ended`
    : `${tool} ended with status ${status}`;
}
