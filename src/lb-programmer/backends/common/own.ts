/** What may be ours in a namespace: in a container's, never an address of an interface, and nothing that is about the host's bridges. */
import type { LbState, LbTarget, LocalAddress } from "../../state.ts";

/** False for a state that no plan for such a target has: then somebody else wrote it. */
export function mayHold({ kind }: LbTarget, { addresses, published }: Omit<LbState, "sysctls">): boolean {
  return kind !== "sandbox" || (published.length === 0 && addresses.every(({ device }) => device === "lo"));
}

/** Those of the addresses that are on the interface which the target is configured with. */
export function onOwnDevice(target: LbTarget, addresses: readonly LocalAddress[]): readonly LocalAddress[] {
  return "device" in target ? addresses.filter(({ device }) => device === target.device) : [];
}
