/** Steps as addresses and local routes to add and remove. Pure. */
import { familyOf } from "../../../model/address.ts";
import type { InterfaceAddress, LocalRoute } from "../../../os/netlink/rtnetlink.ts";
import type { LbOp, LbState, LocalAddress, VirtualServer } from "../../state.ts";
import type { AddressChange } from "../common/own-addresses.ts";
import type { Interfaces, RouteChange } from "./interfaces.ts";
import { isLocal } from "./server.ts";

/**
 * What makes the addresses of these steps what `desired` has. Servers of a namespace for its own connections decide whether their
 * VIP on lo is a real address, so their steps count, too.
 */
export function addressChange(
  ops: readonly LbOp[],
  desired: LbState,
  isReal: (address: LocalAddress) => boolean,
): AddressChange {
  const wanted = new Map(desired.addresses.map((a) => [nameOf(a), a]));
  const touched = new Map<string, LocalAddress>();
  for (const op of ops) {
    if ("address" in op) touched.set(nameOf(op.address), op.address);
    else if ((op.op === "server.add" || op.op === "server.remove") && op.server.from === "local") {
      const onLoopback = wanted.get(nameOf({ address: op.server.vip, device: "lo" }));
      if (onLoopback !== undefined) touched.set(nameOf(onLoopback), onLoopback);
    }
  }
  const stays = (a: LocalAddress): boolean => wanted.has(nameOf(a)) && isReal(a);
  const all = [...touched.values()];
  return { added: all.filter(stays).map(onInterface), removed: all.filter((a) => !stays(a)).map(onInterface) };
}

export const onInterface = ({ address, device }: LocalAddress): InterfaceAddress => ({
  address,
  device,
  prefix: familyOf(address) === 6 ? 128 : 32,
});

/**
 * The same for routes by which a task reaches itself through its own service's VIP. IPVS changes a packet's destination to the
 * task itself, but not the way it was about to take: it would leave for the network, looking for its own address there. So the
 * way to such a VIP is local from the start, with the task's own address as source (the VIP it would be otherwise).
 */
export function selfRouteChange(ops: readonly LbOp[], desired: LbState, own: ReadonlySet<string>): RouteChange {
  const selfOf = (server: VirtualServer): string | undefined =>
    server.from === "local" ? server.destinations.find(({ address }) => own.has(address))?.address : undefined;
  const wanted = new Map(desired.servers.flatMap((s) => [[s.vip, selfOf(s)] as const].filter(([, self]) => self)));
  const touched = new Set<string>();
  for (const op of ops) {
    if ("address" in op && op.address.device === "lo" && wanted.has(op.address.address))
      touched.add(op.address.address);
    else if ("destination" in op && op.server.from === "local" && own.has(op.destination.address))
      touched.add(op.server.vip);
    else if ((op.op === "server.add" || op.op === "server.remove") && selfOf(op.server)) touched.add(op.server.vip);
  }
  const added: LocalRoute[] = [];
  const removed: string[] = [];
  for (const to of touched) {
    const source = wanted.get(to);
    if (source === undefined) removed.push(to);
    else added.push({ to, source });
  }
  return { added, removed };
}

const nameOf = ({ address, device }: LocalAddress): string => `${address} ${device}`;

/** VIPs of this namespace's own servers by which a task here would not reach itself, for want of a route. */
export function unreachedVips(
  servers: readonly VirtualServer[],
  { addresses, selfRoutes }: Interfaces,
): ReadonlySet<string> {
  const own = new Set([...addresses].map((entry) => entry.slice(0, entry.indexOf("/"))));
  const isReached = ({ vip, destinations }: VirtualServer): boolean => {
    const self = destinations.find(({ address }) => own.has(address));
    return self === undefined || selfRoutes.has(`${vip} ${self.address}`);
  };
  return new Set(servers.filter((server) => isLocal(server) && !isReached(server)).map(({ vip }) => vip));
}
