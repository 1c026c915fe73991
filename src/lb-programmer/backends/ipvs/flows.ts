/** Flows that the kernel tracks since before there was a server for them. */

import { OsError } from "../../../os/error.ts";
import { forget } from "../../../os/netlink/conntrack.ts";
import type { LbOp, LbTarget } from "../../state.ts";

/**
 * Forgets what was sent to a VIP before it was one. IPVS can't change such an entry: answers would belong to no flow that is
 * known, get another source port, and be refused by the client, as long as it goes on sending.
 */
export function forgetEarlyFlows(target: LbTarget, ops: readonly LbOp[]): void {
  const added = new Set(ops.flatMap((op) => (op.op === "server.add" ? [op.server.vip] : [])));
  if (added.size === 0) return;
  try {
    forget(target.netns, added, (entry) => entry.to === entry.by);
  } catch (error) {
    // Without ctnetlink there is no way to; entries run out by themselves.
    if (!(error instanceof OsError) || !error.op.endsWith("conntrack")) throw error;
  }
}
