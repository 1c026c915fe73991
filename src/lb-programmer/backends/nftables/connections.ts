/** Connections through a server to one of its tasks, in the kernel's own table. */

import { OsError } from "../../../os/error.ts";
import { forget, type Tracked, trackedBy } from "../../../os/netlink/conntrack.ts";
import type { Destination, LbOp, LbState, LbTarget, VirtualServer } from "../../state.ts";
import { LbError } from "../backend.ts";
import { lbError } from "../common/failure.ts";
import { through } from "../common/through.ts";

/** How many are open. */
export function openConnections(target: LbTarget, server: VirtualServer, { address }: Destination): number {
  const entries = guarded(target, () => trackedBy(target.netns, address));
  return entries.filter((entry) => entry.open && through(server, entry)).length;
}

/**
 * Ends what still goes through servers to tasks that are removed. A client that goes on sending datagrams gets another task; the
 * next segment of a TCP connection is led to another task, too, which resets it, rather than being swallowed. The same for
 * what was sent to a VIP before it was one: such a flow would never be translated as long as it goes on.
 */
export function endConnections(target: LbTarget, ops: readonly LbOp[], desired: LbState): void {
  const removed = removedDestinations(ops, desired);
  const added = new Set(ops.flatMap((op) => (op.op === "server.add" ? [op.server.vip] : [])));
  if (removed.length + added.size === 0) return;
  const by = new Map<string, VirtualServer[]>();
  for (const { server, destination } of removed) add(by, destination.address, server);
  const still = ops.some(({ op }) => op === "server.remove") ? leadingTo(by, desired) : NOBODY;
  const over = (entry: Tracked): boolean =>
    (entry.to === entry.by && added.has(entry.to)) || (isThrough(by, entry) && !isThrough(still, entry));
  try {
    guarded(target, () => forget(target.netns, new Set([...by.keys(), ...added]), over));
  } catch (error) {
    // Without the kernel's table there is nothing to end, or no way to: entries run out by themselves.
    if (!(error instanceof LbError) || error.code !== "missing") throw error;
  }
}

/** By task: servers that lead to it. */
type ByTask = ReadonlyMap<string, readonly VirtualServer[]>;
const NOBODY: ByTask = new Map();

/** Those that lead to one of these tasks from now on. A published port may have gone from one server to another ("traffic: local"). */
function leadingTo(tasks: ByTask, { servers }: LbState): ByTask {
  const leading = new Map<string, VirtualServer[]>();
  for (const server of servers)
    for (const { address } of server.destinations) {
      if (tasks.has(address)) add(leading, address, server);
    }
  return leading;
}

function add(by: Map<string, VirtualServer[]>, task: string, server: VirtualServer): void {
  const there = by.get(task);
  if (there === undefined) by.set(task, [server]);
  else there.push(server);
}

const isThrough = (by: ByTask, entry: Tracked): boolean =>
  (by.get(entry.by) ?? []).some((server) => through(server, entry));

/** Connections outlive the replacement of their server by another with the same task. */
function removedDestinations(ops: readonly LbOp[], desired: LbState) {
  const replaced = ops.some(({ op }) => op === "server.remove");
  const wanted = new Map(replaced ? desired.servers.map((server) => [server.key, server]) : []);
  const kept = ({ key, vip }: VirtualServer): readonly Destination[] => {
    const successor = wanted.get(key);
    return successor?.vip === vip ? successor.destinations : [];
  };
  return ops.flatMap((op) => {
    if (op.op === "destination.remove") return [{ server: op.server, destination: op.destination }];
    if (op.op !== "server.remove") return [];
    const stay = new Set(kept(op.server).map(({ address }) => address));
    const leave = op.server.destinations.filter(({ address }) => !stay.has(address));
    return leave.map((destination) => ({ server: op.server, destination }));
  });
}

function guarded<T>(target: LbTarget, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof OsError && error.op.endsWith("conntrack") && error.code !== "EPERM")
      throw new LbError("missing", target, `the kernel's table of connections can't be read: ${error.code}`);
    throw lbError(target, "conntrack", error);
  }
}
