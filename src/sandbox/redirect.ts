/**
 * Port 53 without binding it, as Docker does it (libnetwork resolver_unix.go): in the sandbox's namespace, packets to the
 * address are sent to random ports, and answers come from port 53. In a table or chains of our own, so that whatever else
 * is there stays, and doing it again ends the same. iptables is for kernels whose nf_tables can't.
 */
import { inNetns } from "../os/netns.ts";
import { portOf } from "../os/socket.ts";
import { hasChains, installChains, presentChains, removeChains } from "./redirect-chains.ts";
import { hasRedirectTable, installTable, presentTable, type Redirect, removeTable } from "./redirect-table.ts";

export type { Redirect };

/** The pair of sockets that is listening behind it. */
export type Behind = { readonly udp: number; readonly tcp: number };

/** What is there of it, to be compared, nothing else. Empty if nothing is, or if it can't be told. */
export async function presentRedirect(at: Redirect): Promise<string> {
  return presentTable(at) || (mayHaveChains(at) ? presentChains(at) : "");
}

/**
 * Removes one that leads to nobody: a process that was killed left it, and it would take every question from whoever listens on the
 * port itself now. Costs little where there is none.
 */
export async function removeLeftover(at: Redirect): Promise<void> {
  if (inNetns(at.netns, () => hasRedirectTable(at) || hasChains(at))) await removeRedirect(at);
}

/** By nf_tables, else by iptables; rejects if neither works. */
export async function installRedirect(at: Redirect, { udp, tcp }: Behind): Promise<void> {
  const ports = { udp: portOf(udp), tcp: portOf(tcp) };
  const problem = await installTable(at, ports);
  if (problem === undefined) return;
  const other = await installChains(at, ports);
  if (other !== undefined) throw new Error(`${at.netns}: port ${at.port} can't be redirected: ${problem}; ${other}`);
}

/** Nothing of it is left. That the namespace is gone is fine. */
export async function removeRedirect(at: Redirect): Promise<void> {
  await removeTable(at);
  if (mayHaveChains(at)) await removeChains(at); // else iptables would make tables where it looks for something
}

function mayHaveChains(at: Redirect): boolean {
  try {
    return inNetns(at.netns, () => hasChains(at));
  } catch {
    return false; // the namespace is gone
  }
}
