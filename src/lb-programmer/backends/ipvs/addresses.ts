/** Steps as commands for `ip -batch`. Pure. */
import type { LbOp, LbState, LocalAddress, VirtualServer } from "../../types.ts";
import { type Chain, host } from "./chain.ts";
import { balancedHere, CHAINS, isReal } from "./rules.ts";
import { addressOf, parseRule, type Saved } from "./saved.ts";

/**
 * Input of `ip -force -batch -` that makes the addresses of these steps what `desired` has, "" for nothing. Servers of a
 * namespace for its own connections decide whether their VIP on lo is a real address, so their steps count, too.
 */
export function addressBatch(ops: readonly LbOp[], desired: LbState): string {
  const wanted = new Map(desired.addresses.map((a) => [nameOf(a), a]));
  const balanced = balancedHere(desired.servers);
  const touched = new Map<string, LocalAddress>();
  for (const op of ops) {
    if ("address" in op) touched.set(nameOf(op.address), op.address);
    else if ((op.op === "server.add" || op.op === "server.remove") && op.server.from === "local") {
      const onLoopback = wanted.get(nameOf({ address: op.server.vip, device: "lo" }));
      if (onLoopback !== undefined) touched.set(nameOf(onLoopback), onLoopback);
    }
  }
  const lines = [...touched.values()].map((address) =>
    wanted.has(nameOf(address)) && isReal(balanced, address) ? added(address) : removed(address),
  );
  return lines.map((line) => `${line}\n`).join("");
}

/** IPv6 VIPs are usable at once (no duplicate address detection), and never the source of a connection (deprecated). */
const added = ({ address, device }: LocalAddress): string =>
  `address replace ${host(address)} dev ${device}${address.includes(":") ? " nodad preferred_lft 0" : ""}`;

/** Removes the addresses that are noted as ours, and the routes by which tasks reach themselves. */
export function removedAddresses(saved: Saved): string[] {
  const rules = ({ table, name }: Chain) => (saved.chains.get(`${table} ${name}`) ?? []).map(parseRule);
  const vips = new Set(rules(CHAINS.LOCAL).map((rule) => addressOf(rule.get("-d"))));
  const notes = rules(CHAINS.ADDRESSES).map((rule) => ({
    address: addressOf(rule.get("-d")),
    device: rule.get("--comment") ?? "",
  }));
  return [...notes.map(removed), ...[...vips].map(removedRoute)];
}

const removed = ({ address, device }: LocalAddress): string => `address del ${host(address)} dev ${device}`;

/**
 * The same for routes by which a task reaches itself through its own service's VIP. IPVS changes a packet's destination to the
 * task itself, but not the way it was about to take: it would leave for the network, looking for its own address there. So the
 * way to such a VIP is local from the start, with the task's own address as source (the VIP it would be otherwise).
 */
export function selfRouteBatch(ops: readonly LbOp[], desired: LbState, own: ReadonlySet<string>): string {
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
  const lines = [...touched].map((vip) => {
    const self = wanted.get(vip);
    return self === undefined ? removedRoute(vip) : `route replace local ${host(vip)} dev lo src ${self}`;
  });
  return lines.map((line) => `${line}\n`).join("");
}

const removedRoute = (vip: string): string => `route del local ${host(vip)} dev lo`;

/** What `ip` says where an address, or the interface it was on, is not there (any more). */
export const isComplaint = (line: string): boolean =>
  !/^Command failed|Cannot assign requested address|[Aa]ddress not found|No such process/.test(line);

const nameOf = ({ address, device }: LocalAddress): string => `${address} ${device}`;
