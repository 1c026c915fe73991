/** Targets that are there for the node, not for a sandbox. Pure. */
import type { ReadonlyState } from "../../model/types.ts";
import type { LbTarget } from "../state.ts";
import type { BalanceOptions } from "./options.ts";

/** Those of networks and of the mesh come and go with their networks; the host is always one where there is a mesh. */
export function fixedTargets({ mesh, networks = [] }: BalanceOptions, state: ReadonlyState): LbTarget[] {
  const targets: LbTarget[] = networks
    .filter(({ network }) => state.networks.has(network))
    .map((options) => ({ ...options, kind: "network", id: `network/${options.network}` }));
  if (mesh === undefined) return targets;
  const ingress = [...state.networks.values()].find((network) => network.ingress);
  if (ingress !== undefined) targets.push({ ...mesh.ingress, kind: "ingress", id: "ingress", network: ingress.id });
  targets.push({ ...mesh.host, kind: "host", id: "host" });
  return targets;
}
