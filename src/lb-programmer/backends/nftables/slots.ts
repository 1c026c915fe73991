/** Weights as slots of a map that a counter or a hash walks through. */
import type { Destination, VirtualServer } from "../../state.ts";

/** A weight beyond this share of the whole is rounded: slots cost memory in the kernel. */
const MOST = 256;

/** Slots that a server may have: more tasks than these get nothing. Its slots are numbered from its mark times this. */
export const ROOM = 1024;

/**
 * One address per slot: those that take new connections, as often as their weights say where the scheduler looks at weights
 * ("wrr", "wlc", "sh", "mh"). Weights are divided by what they have in common; at most 256 slots, or one per task.
 * Spread evenly (nginx's smooth weighted round robin), so that a heavy task does not get its connections in a row.
 */
export function slots(server: VirtualServer): readonly string[] {
  const open = openTasks(server);
  if (server.scheduler === "rr" || server.scheduler === "lc") return open.map(({ address }) => address);
  const shares = reduced(open.map(({ weight }) => weight));
  const total = shares.reduce((sum, share) => sum + share, 0);
  const credit = shares.map(() => 0);
  return Array.from({ length: Math.min(total, ROOM) }, () => {
    let best = 0;
    for (let i = 0; i < shares.length; i++) {
      credit[i]! += shares[i]!;
      if (credit[i]! > credit[best]!) best = i;
    }
    credit[best]! -= total;
    return open[best]!.address;
  });
}

/** In the order of their texts, in which they mostly are. */
function openTasks({ destinations }: VirtualServer): readonly Destination[] {
  const open = destinations.filter(({ weight }) => weight > 0);
  const inOrder = open.every((task, i) => i === 0 || open[i - 1]!.address < task.address);
  if (!inOrder) open.sort((a, b) => (a.address < b.address ? -1 : 1));
  return open.length > ROOM ? open.slice(0, ROOM) : open;
}

function reduced(weights: readonly number[]): readonly number[] {
  const common = weights.reduce(gcd, 0);
  const shares = weights.map((weight) => weight / common);
  const total = shares.reduce((sum, share) => sum + share, 0);
  const most = Math.max(MOST, weights.length);
  return total <= most ? shares : shares.map((share) => Math.max(1, Math.floor((share * most) / total)));
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
