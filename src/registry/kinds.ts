/** The kinds of objects, and what is the same for each of them. */
import type { Change, ReadonlyState } from "../model/types.ts";
import type { Step } from "./step.ts";

export type Kind = "network" | "service" | "task" | "container" | "sandbox";

/** Where the objects of a kind are kept. Each kind refers to earlier ones only: in this order an empty registry accepts them. */
export const MAPS = {
  network: "networks",
  service: "services",
  task: "tasks",
  container: "containers",
  sandbox: "sandboxes",
} as const satisfies Readonly<Record<Kind, keyof ReadonlyState>>;

export const KINDS = Object.keys(MAPS) as readonly Kind[];

type ObjectOf<K extends Kind> = ReadonlyState[(typeof MAPS)[K]] extends ReadonlyMap<string, infer O> ? O : never;

export const putOf = (kind: Kind, object: object): Change =>
  ({ kind: `${kind}.put`, [kind]: object }) as unknown as Change;

/** Takes an object out of the state, once `release` has given back what it had (or thrown). False: it was not there. */
export function remove<K extends Kind>(
  step: Step,
  kind: K,
  id: string,
  release: (step: Step, object: ObjectOf<K>) => void,
): boolean {
  const objects = step.state[MAPS[kind]] as Map<string, unknown>;
  const object = objects.get(id) as ObjectOf<K> | undefined;
  if (object === undefined) return false;
  release(step, object);
  step.undo.delete(objects, id);
  step.touched[MAPS[kind]].add(id);
  return true;
}
