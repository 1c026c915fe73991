/** Objects of any kind, as a reload looks at them. */
import type { ChangeInput } from "../model/input.ts";
import type { ReadonlyState } from "../model/types.ts";

export type Kind = "network" | "service" | "task" | "container" | "sandbox";

/** What a file says of one object. */
export interface Put {
  readonly change: ChangeInput;
  /** Among the changes of all files. */
  readonly index: number;
  readonly kind: Kind;
  readonly id: string;
}

/** The files' changes are puts, each with its id. */
export function putOf(change: ChangeInput, index: number): Put {
  const kind = change.kind.split(".")[0] as Kind;
  const { id } = (change as unknown as Readonly<Record<Kind, { readonly id: string }>>)[kind];
  return { change, index, kind, id };
}

/** Of what is in the state, no more than who wrote it. */
export function objectsOf(state: ReadonlyState, kind: Kind): ReadonlyMap<string, { readonly source?: string }> {
  switch (kind) {
    case "network":
      return state.networks;
    case "service":
      return state.services;
    case "task":
      return state.tasks;
    case "container":
      return state.containers;
    case "sandbox":
      return state.sandboxes;
  }
}

export const removal = (kind: Kind, id: string): ChangeInput => ({ kind: `${kind}.remove`, id });
