/** What a batch came to, for whoever keeps objects: each one that it touched, as it is now. Whole, so nobody else needs to know the rules. */
import type { Change, ReadonlyState, Touched } from "../model/types.ts";

/** Puts in an order that an empty registry accepts, then removals. An object that came and went within the batch is removed, too. */
export function became(state: ReadonlyState, touched: Touched): Change[] {
  const puts: Change[] = [];
  const removals: Change[] = [];
  const { networks, services, tasks, containers, sandboxes } = touched;
  for (const id of networks) {
    const network = state.networks.get(id);
    if (network === undefined) removals.push({ kind: "network.remove", id });
    else puts.push({ kind: "network.put", network });
  }
  for (const id of services) {
    const service = state.services.get(id);
    if (service === undefined) removals.push({ kind: "service.remove", id });
    else puts.push({ kind: "service.put", service });
  }
  for (const id of tasks) {
    const task = state.tasks.get(id);
    if (task === undefined) removals.push({ kind: "task.remove", id });
    else puts.push({ kind: "task.put", task });
  }
  for (const id of containers) {
    const container = state.containers.get(id);
    if (container === undefined) removals.push({ kind: "container.remove", id });
    else puts.push({ kind: "container.put", container });
  }
  for (const id of sandboxes) {
    const sandbox = state.sandboxes.get(id);
    if (sandbox === undefined) removals.push({ kind: "sandbox.remove", id });
    else puts.push({ kind: "sandbox.put", sandbox });
  }
  return [...puts, ...removals];
}
