/** Tasks: a service's replicas, each with an address on its networks. */
import type { GivenTask } from "../model/change.ts";
import { bareEndpoint } from "../model/defaults.ts";
import { brief } from "../model/quote.ts";
import { same } from "../model/same.ts";
import type { Endpoint, Service, Task } from "../model/types.ts";
import { nameOf, onNetwork, releaseEndpoints, takeEndpoints } from "./endpoints.ts";
import { RegistryError } from "./error.ts";
import { checkName } from "./names.ts";
import type { Step } from "./step.ts";

export function putTask(step: Step, given: GivenTask): Task | undefined {
  const { state, undo, touched } = step;
  const service = state.services.get(given.service);
  if (service === undefined)
    throw new RegistryError(
      "unknown",
      `task ${brief(given.id)}: there is no service "${brief(given.service)}"`,
      "service",
    );
  const owner = taskOwner(service, given);
  checkName(owner, `${service.name}.${given.slot ?? given.node}.${given.id}`, "id");
  checkName(owner, given.hostname, "hostname");
  const endpoints = given.endpoints ?? service.networks.map(({ network }) => bareEndpoint(network));
  for (const [i, { network }] of endpoints.entries()) {
    if (!state.networks.has(network) || onNetwork(state, service, network)) continue;
    const message = `${owner}: service ${service.name} is not on network ${nameOf(state, network)}`;
    throw new RegistryError("invalid", message, `endpoints[${i}].network`);
  }
  const before = state.tasks.get(given.id);
  const wanted = onMesh(service, endpoints, before?.endpoints ?? []);
  const task = { ...given, endpoints: takeEndpoints(step, owner, wanted, before?.endpoints ?? []) };
  if (same(before, task)) return undefined;
  if (before !== undefined && before.service !== task.service) leave(step, before);
  const siblings = state.tasksOf.get(task.service);
  if (siblings === undefined) undo.set(state.tasksOf, task.service, new Set([task.id]));
  else undo.add(siblings, task.id);
  undo.set(state.tasks, task.id, task);
  touched.tasks.add(task.id);
  touched.tasksOf.add(task.service);
  return task;
}

export function releaseTask(step: Step, task: Task): void {
  releaseEndpoints(step.state, step.undo, task.endpoints);
  leave(step, task);
}

/** The endpoints, and one on the routing mesh: its service is published, or was when the task came. */
function onMesh({ mesh }: Service, given: readonly Endpoint[], before: readonly Endpoint[]): readonly Endpoint[] {
  if (mesh === undefined || given.some((e) => e.network === mesh.network)) return given;
  const old = before.find((e) => e.network === mesh.network);
  return [...given, old ?? bareEndpoint(mesh.network)];
}

/** How people know the task. */
export const taskOwner = (service: Service, { slot, node }: Pick<Task, "slot" | "node">): string =>
  `task ${service.name}.${slot ?? brief(node)}`;

function leave({ state, undo, touched }: Step, { id, service }: Task): void {
  touched.tasksOf.add(service);
  const siblings = state.tasksOf.get(service)!;
  undo.remove(siblings, id);
  if (siblings.size === 0) undo.delete(state.tasksOf, service);
}
