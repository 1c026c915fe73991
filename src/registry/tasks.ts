/** Tasks: a service's replicas, each with an address on its networks. */
import type { Endpoint, Service, Task, TaskId } from "../model/types.ts";
import { nameOf, onNetwork, releaseEndpoints, takeEndpoints } from "./endpoints.ts";
import { RegistryError } from "./error.ts";
import { checkNames } from "./names.ts";
import { same } from "./same.ts";
import type { Step } from "./step.ts";

export function putTask(step: Step, given: Task): Task | undefined {
  const { state, undo, touched } = step;
  const service = state.services.get(given.service);
  if (service === undefined)
    throw new RegistryError("unknown", `task ${given.id}: there is no service "${given.service}"`);
  const owner = taskOwner(service, given);
  checkNames(owner, [`${service.name}.${given.slot ?? given.node}.${given.id}`, given.hostname]);
  if (given.slot !== undefined && !(Number.isInteger(given.slot) && given.slot > 0)) {
    throw new RegistryError("invalid", `${owner}: slot ${given.slot} is no whole number from 1`);
  }
  if (given.weight !== undefined && !(Number.isInteger(given.weight) && given.weight > 0 && given.weight < 65_536)) {
    throw new RegistryError("invalid", `${owner}: weight ${given.weight} is no whole number from 1 to 65535`);
  }
  for (const { network } of given.endpoints) {
    if (state.networks.has(network) && !onNetwork(state, service, network)) {
      throw new RegistryError(
        "invalid",
        `${owner}: service ${service.name} is not on network ${nameOf(state, network)}`,
      );
    }
  }
  const before = state.tasks.get(given.id);
  const wanted = onMesh(service, given.endpoints, before?.endpoints ?? []);
  const task = { ...given, endpoints: takeEndpoints(step, owner, wanted, before?.endpoints ?? []) };
  if (same(before, task)) return undefined;
  if (before !== undefined && before.service !== task.service) leave(step, before);
  const siblings = state.tasksOf.get(task.service);
  if (siblings === undefined) undo.set(state.tasksOf, task.service, new Set([task.id]));
  else undo.add(siblings, task.id);
  undo.set(state.tasks, task.id, task);
  touched.tasks.add(task.id);
  return task;
}

export function removeTask(step: Step, id: TaskId): boolean {
  const { state, undo, touched } = step;
  const task = state.tasks.get(id);
  if (task === undefined) return false;
  releaseEndpoints(state, undo, task.endpoints);
  undo.delete(state.tasks, id);
  leave(step, task);
  touched.tasks.add(id);
  return true;
}

/** The endpoints, and one on the routing mesh: its service is published, or was when the task came. */
function onMesh({ mesh }: Service, given: readonly Endpoint[], before: readonly Endpoint[]): readonly Endpoint[] {
  if (mesh === undefined || given.some((e) => e.network === mesh.network)) return given;
  const old = before.find((e) => e.network === mesh.network);
  return [...given, old ?? { network: mesh.network, aliases: [], links: [], priority: 0 }];
}

/** How people know the task. */
export const taskOwner = (service: Service, { slot, node }: Task): string => `task ${service.name}.${slot ?? node}`;

function leave({ state, undo }: Step, { id, service }: Task): void {
  const siblings = state.tasksOf.get(service)!;
  undo.remove(siblings, id);
  if (siblings.size === 0) undo.delete(state.tasksOf, service);
}
