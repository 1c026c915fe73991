/** Virtual servers of a service on one network: the part that every place which balances has in common. */
import { answering } from "../../model/answering.ts";
import type { NetworkId, ReadonlyState, Service, ServiceId, Task } from "../../model/types.ts";
import { joined, portText } from "../port-ranges.ts";
import { readKey, serverKey } from "../server-key.ts";
import type { Destination, PortRange, VirtualServer } from "../state.ts";
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

interface Made {
  readonly service: Service;
  readonly tasks: readonly Task[];
  readonly servers: readonly VirtualServer[];
}

/**
 * Virtual servers, and from what they were made: the very same objects as the last time if nothing in them can be another. Services,
 * their VIPs and tasks are replaced when they change, never written to, so whoever is still the same object is as it was.
 */
export class ServerCache {
  readonly #context: PlanContext;
  /** By VIPs and kind of server. VIPs that nobody has any more take their servers along. */
  readonly #made = new WeakMap<Vips, Map<string, Made>>();

  constructor(context: PlanContext) {
    this.#context = context;
  }

  /** One server for each VIP of a service on a network, with the service's tasks that have an address of that family there. */
  of(state: ReadonlyState, service: Service, vips: Vips, options: ServerOptions): readonly VirtualServer[] {
    const kind = options.keepSource ? "keep source" : options.from;
    const made = this.#made.get(vips) ?? new Map<string, Made>();
    const known = made.get(kind);
    if (known !== undefined && this.#isCurrent(known, state, service, options)) return known.servers;
    const tasks = tasksOf(state, service, options.node);
    const servers = FAMILIES.flatMap((family) => serverOf(service, vips, family, tasks, this.#context, options));
    this.#made.set(vips, made.set(kind, { service, tasks, servers }));
    return servers;
  }

  #isCurrent(made: Made, state: ReadonlyState, service: Service, options: ServerOptions): boolean {
    if (made.service !== service) return false;
    let n = 0;
    for (const id of state.tasksOf.get(service.id) ?? NONE) {
      const task = state.tasks.get(id);
      if (task === undefined || (options.node !== undefined && task.node !== options.node)) continue;
      if (task !== made.tasks[n++]) return false;
    }
    return n === made.tasks.length && made.servers.every(({ key, mark }) => this.#context.marks(key) === mark);
  }
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
    ...onlyOf(service, from, keepSource),
    scheduler: scheduler ?? (tasks.some((task) => task.weight !== undefined) ? "wrr" : "rr"),
    affinity,
    forwarding: "masquerade",
    ...(keepSource && { keepSource: true }),
    destinations: destinationsOf(service, tasks, vips.network, family),
    ...(drain !== undefined && { drain }),
  };
  return [server];
}

/** With declared ports only: the targets, or on the mesh the numbers that are published there, by which tasks know each other. */
function onlyOf(
  { vipPorts, ports }: Service,
  from: VirtualServer["from"],
  keepSource = false,
): { readonly only?: readonly PortRange[] } {
  if (vipPorts !== "declared" || keepSource) return {};
  const outside = from === "published";
  const declared = ports.flatMap(({ protocol, mode, target, published }) => {
    if (!outside) return [{ protocol, port: target }];
    return mode === "ingress" && published ? [{ protocol, port: published }] : [];
  });
  const once = new Map(declared.map((p) => [portText(p), p])); // two ports outside may lead to one inside
  return { only: joined([...once.values()]) };
}

export const FAMILIES = [4, 6] as const;

/** The id of the service whose key this is; none: it is no key of ours. */
export function servicesOf(key: string): readonly ServiceId[] {
  const place = readKey(key);
  return place === undefined ? [] : [place.service];
}

function tasksOf(state: ReadonlyState, service: Service, node: string | undefined): Task[] {
  const tasks: Task[] = [];
  for (const id of state.tasksOf.get(service.id) ?? NONE) {
    const task = state.tasks.get(id);
    if (task !== undefined && (node === undefined || task.node === node)) tasks.push(task);
  }
  return tasks;
}

/** Tasks that answer, with their weight; those that drain, with none; others are not there at all. */
function destinationsOf(
  service: Service,
  tasks: readonly Task[],
  network: NetworkId,
  family: 4 | 6,
): readonly Destination[] {
  const destinations: Destination[] = [];
  for (const task of tasks) {
    const draining = task.state === "draining";
    if (!draining && !answering(task, service)) continue;
    const address = task.endpoints.find((e) => e.network === network)?.[`ip${family}`];
    if (address !== undefined) destinations.push({ address, weight: draining ? 0 : (task.weight ?? 1) });
  }
  return destinations;
}
