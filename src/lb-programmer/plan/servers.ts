/** Virtual servers of a service on one network: the part that every place which balances has in common. */
import { familyOf } from "../../model/address.ts";
import { answering } from "../../model/answering.ts";
import type { NetworkId, ReadonlyState, Service, Task } from "../../model/types.ts";
import type { Destination, Snat, VirtualServer } from "../state.ts";
import type { PlanContext } from "./context.ts";

/** VIPs of a service on a network. */
export interface Vips {
  readonly network: NetworkId;
  readonly vip4?: string;
  readonly vip6?: string;
}

export interface ServerOptions {
  readonly from: VirtualServer["from"];
  readonly ports?: VirtualServer["ports"];
  /** For connections that keep their client's address: then the key ends in "/local". */
  readonly keepSource?: boolean;
  /** Only tasks on this node. */
  readonly node?: string;
}

/**
 * One server for each VIP, with the service's tasks that have an address of that family there. The very same objects as the last
 * time if nothing in them can be another: most services are as they were, and what follows need not look at those.
 */
export function serversOf(
  state: ReadonlyState,
  service: Service,
  vips: Vips,
  context: PlanContext,
  options: ServerOptions,
): readonly VirtualServer[] {
  const what = options.keepSource ? "keep source" : options.from;
  const known = madeFrom.get(vips)?.get(what);
  if (known !== undefined && isCurrent(known, state, service, context, options)) return known.servers;
  const tasks = tasksOf(state, service, options.node);
  const servers = FAMILIES.flatMap((family) => serverOf(service, vips, family, tasks, context, options));
  if (!madeFrom.has(vips)) madeFrom.set(vips, new Map());
  madeFrom.get(vips)!.set(what, { service, tasks, servers });
  return servers;
}

interface Made {
  readonly service: Service;
  readonly tasks: readonly Task[];
  readonly servers: readonly VirtualServer[];
}

/** Services, their VIPs and tasks are replaced when they change, never written to: the same object is as it was. */
const madeFrom = new WeakMap<Vips, Map<string, Made>>();

function isCurrent(made: Made, state: ReadonlyState, service: Service, context: PlanContext, options: ServerOptions) {
  if (made.service !== service) return false;
  let n = 0;
  for (const id of state.tasksOf.get(service.id) ?? NONE) {
    const task = state.tasks.get(id);
    if (task === undefined || (options.node !== undefined && task.node !== options.node)) continue;
    if (task !== made.tasks[n++]) return false;
  }
  return n === made.tasks.length && made.servers.every((server) => context.marks(server.key) === server.mark);
}

const NONE: ReadonlySet<string> = new Set();

function serverOf(
  service: Service,
  vips: Vips,
  family: 4 | 6,
  tasks: readonly Task[],
  context: PlanContext,
  { from, ports = [], keepSource }: ServerOptions,
): VirtualServer[] {
  const vip = vips[`vip${family}`];
  if (vip === undefined) return [];
  const key = serverKey(service.id, vips.network, family, keepSource);
  const { scheduler, affinity = 0, drain } = service.balance ?? {};
  const server: VirtualServer = {
    key,
    vip,
    mark: context.marks(key),
    from,
    ports,
    scheduler: scheduler ?? (tasks.some((task) => task.weight !== undefined) ? "wrr" : "rr"),
    affinity,
    forwarding: "masquerade",
    ...(keepSource && { keepSource: true }),
    destinations: tasks.flatMap((task) => destinationOf(service, task, vips.network, family)),
    ...(drain !== undefined && { drain }),
  };
  return [server];
}

export const FAMILIES = [4, 6] as const;

const serverKey = (service: string, network: string, family: 4 | 6, local = false): string =>
  `${service}/${network}/${family}${local ? "/local" : ""}`;

function tasksOf(state: ReadonlyState, service: Service, node: string | undefined): Task[] {
  const tasks: Task[] = [];
  for (const id of state.tasksOf.get(service.id) ?? NONE) {
    const task = state.tasks.get(id);
    if (task !== undefined && (node === undefined || task.node === node)) tasks.push(task);
  }
  return tasks;
}

/** Tasks that answer, with their weight; those that drain, with none; others are not there at all. */
function destinationOf(service: Service, task: Task, network: NetworkId, family: 4 | 6): Destination[] {
  const draining = task.state === "draining";
  if (!draining && !answering(task, service)) return [];
  const address = task.endpoints.find((e) => e.network === network)?.[`ip${family}`];
  return address === undefined ? [] : [{ address, weight: draining ? 0 : (task.weight ?? 1) }];
}

/** Source rewriting for a namespace that others' connections pass through: one entry for each range of the network. */
export function snatsOf(
  state: ReadonlyState,
  network: NetworkId,
  servers: readonly VirtualServer[],
  to: { readonly ip4?: string; readonly ip6?: string },
): Snat[] {
  const snats: Snat[] = [];
  for (const { cidr } of state.networks.get(network)?.subnets ?? []) {
    const family = familyOf(cidr);
    const address = family === 6 ? to.ip6 : to.ip4;
    const needed = servers.some((s) => !s.keepSource && familyOf(s.vip) === family);
    if (address !== undefined && needed) snats.push({ subnet: cidr, to: address });
  }
  return snats;
}
