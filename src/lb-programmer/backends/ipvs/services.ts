/** Steps as IPVS commands. IPVS answers what is there already, so that every step can be done again. Runs in the current namespace. */

import { familyOf } from "../../../model/address.ts";
import { OsError } from "../../../os/error.ts";
import { bringLoopbackUp } from "../../../os/link.ts";
import {
  EEXIST,
  ENOENT,
  ESRCH,
  type IpvsCommand,
  type IpvsDestination,
  type IpvsService,
  ipvsDo,
  type ServiceId,
} from "../../../os/netlink/ipvs.ts";
import { ipvsLists } from "../../../os/netlink/ipvs-lists.ts";
import type { Destination, LbOp, LbState, LbTarget, VirtualServer } from "../../state.ts";
import { type Family, isIdle } from "./server.ts";
import { withIpvs } from "./with-ipvs.ts";

/** Removes the services whose mark no server of `desired` has. */
export function removeServices(ops: readonly LbOp[], desired: LbState): void {
  const kept = new Set(desired.servers.map(markOf));
  const gone = new Map<string, ServiceId>();
  for (const op of ops) {
    if (op.op === "server.remove" && !kept.has(markOf(op.server))) gone.set(markOf(op.server), idOf(op.server));
  }
  deleteServices([...gone.values()]);
}

/** Of services that are ours by rules which can't be believed: those that `desired` does not have go. */
export function removeOrphans(target: LbTarget, services: readonly ServiceId[], desired: LbState): void {
  const kept = new Set(desired.servers.map(markOf));
  const orphans = services.filter(({ mark, family }) => !kept.has(`${mark} ${family}`));
  if (orphans.length > 0) withIpvs(target, () => deleteServices(orphans));
}

export function deleteServices(services: readonly ServiceId[]): void {
  doAll(services.map((service) => ({ command: "service.delete", service }) as const));
}

/**
 * Makes services and destinations. A service that is there already, left by a server with the same mark or by a crash, is
 * kept for its connections and made equal: what is too much of it goes last.
 */
export function changeServices(ops: readonly LbOp[], desired: LbState): void {
  const wanted = new Map(desired.servers.map((server) => [server.key, server]));
  const whole = new Map<string, VirtualServer>();
  for (const op of ops) {
    if (op.op === "server.add" || op.op === "server.change") {
      const server = wanted.get(op.server.key);
      if (server !== undefined) whole.set(server.key, server);
    }
  }
  const commands = whole.size > 0 ? wholeServers([...whole.values()]) : [];
  for (const op of ops) {
    if (!("destination" in op) || whole.has(op.server.key) || !wanted.has(op.server.key)) continue;
    const service = idOf(op.server);
    const destination = destinationOf(op.server, op.destination);
    if (op.op === "destination.remove") commands.push({ command: "destination.delete", service, destination });
    else
      commands.push({
        command: op.op === "destination.add" ? "destination.new" : "destination.set",
        service,
        destination,
      });
  }
  if (commands.some((c) => c.command.startsWith("destination"))) bringLoopbackUp(); // else IPVS refuses every destination
  doAll(commands);
}

/** The address families in which these steps make a server idle, or one that was idle take connections. */
export function familiesWithNewIdlers(ops: readonly LbOp[], desired: LbState): Set<Family> {
  const wanted = new Map(desired.servers.map((server) => [server.key, server]));
  const marks = new Set(ops.flatMap((op) => ("destination" in op ? [op.server.mark] : [])));
  const there = ipvsLists(({ mark }) => marks.has(mark)).destinations;
  const changed = ops.flatMap((op) => {
    const server = "destination" in op ? wanted.get(op.server.key) : undefined;
    const before = server && isIdle({ destinations: there.get(server.mark) ?? [] });
    return server !== undefined && isIdle(server) !== before ? [familyOf(server.vip)] : [];
  });
  return new Set(changed);
}

function wholeServers(servers: readonly VirtualServer[]): IpvsCommand[] {
  const marks = new Set(servers.map(({ mark }) => mark));
  const { destinations: lists } = ipvsLists(({ mark }) => marks.has(mark));
  return servers.flatMap((server) => {
    const service: IpvsService = { ...idOf(server), scheduler: server.scheduler, affinity: server.affinity };
    const destinations = server.destinations.map((d) => destinationOf(server, d));
    const wanted = new Set(destinations.map(({ address }) => `${address} 0`));
    const strays = (lists.get(server.mark) ?? []).filter(
      (d) => familyOf(d.address) === service.family && !wanted.has(`${d.address} ${d.port}`),
    );
    return [
      { command: lists.has(server.mark) ? "service.set" : "service.new", service },
      ...destinations.map((destination) => ({ command: "destination.new", service, destination }) as const),
      ...strays.map((destination) => ({ command: "destination.delete", service, destination }) as const),
    ];
  });
}

/**
 * Commands that found things otherwise than expected become the ones for what is there. All of them are tried; throws an OsError for the
 * first that failed otherwise.
 */
function doAll(commands: readonly IpvsCommand[]): void {
  if (commands.length === 0) return;
  const again: IpvsCommand[] = [];
  const failed: OsError[] = [];
  ipvsDo(commands).forEach((errno, i) => {
    const command = commands[i]!;
    if (errno === 0 || (command.command.endsWith(".delete") && (errno === ENOENT || errno === ESRCH))) return;
    const other = otherwise(command, errno);
    if (other === undefined) failed.push(failure(command, errno));
    else again.push(other);
  });
  if (again.length > 0)
    ipvsDo(again).forEach((errno, i) => {
      if (errno !== 0) failed.push(failure(again[i]!, errno));
    });
  if (failed[0] !== undefined) throw failed[0];
}

/** The kernel loads a scheduler by itself where it may. */
function failure(command: IpvsCommand, errno: number): OsError {
  const lacks = "scheduler" in command.service && errno === ENOENT ? command.service.scheduler : undefined;
  const why = lacks && `this kernel has no scheduler ${lacks}; to load it: modprobe ip_vs_${lacks}`;
  return new OsError("IPVS", errno, describe(command), why);
}

function otherwise(command: IpvsCommand, errno: number): IpvsCommand | undefined {
  switch (command.command) {
    case "service.new":
      return errno === EEXIST ? { ...command, command: "service.set" } : undefined;
    case "service.set":
      return errno === ESRCH ? { ...command, command: "service.new" } : undefined;
    case "destination.new":
      return errno === EEXIST ? { ...command, command: "destination.set" } : undefined;
    case "destination.set":
      return errno === ENOENT ? { ...command, command: "destination.new" } : undefined;
    default:
      return undefined;
  }
}

function describe(command: IpvsCommand): string {
  const scheduler = "scheduler" in command.service ? ` ${command.service.scheduler}` : "";
  const destination = "destination" in command ? ` ${command.destination.address}` : "";
  return `${command.command} mark ${command.service.mark}${scheduler}${destination}`;
}

const idOf = ({ mark, vip }: VirtualServer): ServiceId => ({ mark, family: familyOf(vip) });

const markOf = ({ mark, vip }: VirtualServer): string => `${mark} ${familyOf(vip)}`;

const destinationOf = ({ forwarding }: VirtualServer, { address, weight }: Destination): IpvsDestination => ({
  address,
  weight,
  forwarding,
  port: 0,
});
