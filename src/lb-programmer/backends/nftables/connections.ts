/** Connections through a server to one of its tasks, in the kernel's own table. */
import { forget, type Tracked, trackedBy } from "../../../os/conntrack.ts";
import type { Destination, LbTarget, VirtualServer } from "../../types.ts";
import { entering } from "./run.ts";
import { PROTOCOLS } from "./skeleton.ts";

/** How many are open. */
export function openConnections(target: LbTarget, server: VirtualServer, { address }: Destination): number {
  const entries = guarded(target, () => trackedBy(target.netns, address));
  return entries.filter((entry) => entry.open && through(server, entry)).length;
}

/**
 * Ends what still goes through the server to a task that is removed. A client that goes on sending datagrams gets another task;
 * the next segment of a TCP connection is led to another task, too, which resets it, rather than being swallowed.
 */
export function endConnections(target: LbTarget, server: VirtualServer, { address }: Destination): void {
  guarded(target, () => forget(target.netns, address, (entry) => through(server, entry)));
}

const through = ({ vip, ports }: VirtualServer, { to, port, protocol }: Tracked): boolean =>
  to === vip || ports.some((p) => p.port === port && PROTOCOLS[p.protocol] === protocol);

function guarded<T>(target: LbTarget, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw entering(target, error) ?? error;
  }
}
