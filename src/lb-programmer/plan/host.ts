/** The host's own namespace: where published ports are reached. */
import { answering } from "../../model/answering.ts";
import type { Port, ReadonlyState, Service, Task } from "../../model/types.ts";
import { entryKey, samePublished } from "../entries.ts";
import { EMPTY, type HostTarget, type LbState, type PublishedPort } from "../state.ts";
import { keptFor } from "./balanced.ts";
import type { PlanContext } from "./context.ts";
import { hostPorts, type WantedPort } from "./host-ports.ts";
import { forwardingFor } from "./passing.ts";
import { PerService } from "./per-service.ts";
import type { Planning } from "./planning.ts";
import { meshPorts } from "./sandbox.ts";
import { FAMILIES } from "./servers.ts";
import { sourcesIn } from "./sources.ts";

/** Ports on the routing mesh go to the ingress sandbox, ports in host mode to this node's tasks. */
export function planHost(state: ReadonlyState, target: HostTarget, planning: Planning): LbState {
  const wanted = keptFor(planning.published, target, () => entries(target, planning)).list(state);
  const published = keptFor(given, wanted, () => hostPorts(wanted));
  return { ...EMPTY, published, sysctls: forwardingFor(published.map(({ to }) => to)) };
}

const given = new WeakMap<readonly WantedPort[], readonly PublishedPort[]>();

/** All that services ask for. */
const entries = (target: HostTarget, planning: Planning): PerService<WantedPort> =>
  new PerService(planning.touched, (state, service, before) => {
    const wanted = [
      ...meshEntries(service, target).map((port): WantedPort => ({ port, service: service.id, rank: 0 })),
      ...hostEntries(state, service, target, planning),
    ];
    const there = new Map(before.map((one) => [entryKey.published(one.port), one]));
    return wanted.map((one) => {
      const old = there.get(entryKey.published(one.port));
      if (old === undefined || !samePublished(old.port, one.port)) return one;
      return old.rank === one.rank ? old : { ...one, port: old.port };
    });
  });

/** A port is open for an address family if the mesh has that family: what accepted and led nowhere would hang. */
function meshEntries(service: Service, target: HostTarget): PublishedPort[] {
  const { mesh } = service;
  if (service.mode !== "vip" || mesh === undefined) return [];
  return FAMILIES.flatMap((family) => {
    const to = target[`to${family}`];
    if (to === undefined || mesh[`vip${family}`] === undefined) return [];
    const { bridge } = target;
    return meshPorts(service).map(({ protocol, published: port, sources }) => ({
      ...{ protocol, port, to, toPort: port, bridge },
      ...from(family, sources),
    }));
  });
}

/** To the task itself, on its first network that is not the mesh. */
function hostEntries(
  state: ReadonlyState,
  service: Service,
  { bridge }: HostTarget,
  { node }: PlanContext,
): WantedPort[] {
  const ports = service.ports.filter((p) => p.mode === "host" && p.published);
  if (ports.length === 0) return [];
  return tasksHere(state, service, node).flatMap(({ task, rank }) => {
    const endpoint = task.endpoints.find((e) => state.networks.get(e.network)?.ingress === false);
    return FAMILIES.flatMap((family) => {
      const to = endpoint?.[`ip${family}`];
      if (to === undefined) return [];
      return ports.map(({ protocol, published, target, sources }): WantedPort => {
        const port = { protocol, port: published!, to, toPort: target, bridge, ...from(family, sources) };
        return { port, service: service.id, rank };
      });
    });
  });
}

/** Where the port's clients may be. */
function from(family: 4 | 6, sources: Port["sources"]): Pick<PublishedPort, "sources"> {
  const ranges = sourcesIn(family, sources);
  return ranges === undefined ? {} : { sources: ranges };
}

/** Healthy or not, as Docker has it; but where an update makes two of them meet, the one that answers goes first. */
function tasksHere(
  state: ReadonlyState,
  service: Service,
  node: string,
): readonly { readonly task: Task; readonly rank: number }[] {
  const tasks = [...(state.tasksOf.get(service.id) ?? [])].flatMap((id) => state.tasks.get(id) ?? []);
  const rank = (task: Task): number => (answering(task, service) ? 0 : task.state === "draining" ? 2 : 1);
  return tasks
    .filter((task) => task.node === node && task.state !== "stopped")
    .map((task) => ({ task, rank: rank(task) }))
    .sort((a, b) => a.rank - b.rank);
}
