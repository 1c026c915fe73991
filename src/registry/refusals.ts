/** Everything that is wrong with a batch, not the first thing alone. Nothing is changed by it. */
import type { Given } from "../model/change.ts";
import type { ChangeInput } from "../model/input.ts";
import { RegistryError } from "./error.ts";
import type { Kind } from "./kinds.ts";
import { read } from "./read.ts";
import { located, one, stepFor } from "./reduce.ts";
import { checkMember } from "./sandboxes.ts";
import type { State } from "./state.ts";

/** Whether somebody else says already why this object is not there. */
export type Missing = (kind: Kind, id: string) => boolean;

/** Each change is tried on what went well before it. One that builds on what was refused would be refused for that, and is not told of. */
export function refusals(
  state: State,
  changes: readonly ChangeInput[],
  missing: Missing = () => false,
): RegistryError[] {
  const found: RegistryError[] = [];
  const refused = new Set<string>();
  const given = readEach(changes, (error, index) => {
    found.push(Object.assign(error, { index }));
    for (const name of named(changes[index]!)) refused.add(name);
  });
  const step = stepFor(
    state,
    given.map(([change]) => change),
  );
  const attempt = (at: number, work: (change: Given) => void): void => {
    const [change, index] = given[at]!;
    const mark = step.undo.mark();
    step.index = at;
    try {
      work(change);
    } catch (error) {
      step.undo.rollback(mark);
      const told = refusal(located(error, change, 0));
      const follows = asked(change).some(([kind, id]) => refused.has(`${kind} ${id}`) || missing(kind, id));
      const stays = change.kind === "network.remove" && refused.size > 0; // because whoever should have left it is still there
      if (!follows && !stays) found.push(Object.assign(told, { index }));
      for (const name of named(change)) refused.add(name);
    }
  };
  try {
    for (const at of given.keys()) attempt(at, (change) => void one(step, change));
    for (const [id, at] of step.joined) attempt(at, () => checkMember(state, id));
  } finally {
    step.undo.rollback();
  }
  return found.sort((a, b) => a.index! - b.index!);
}

/** What can be read, and its place in the batch. */
function readEach(
  changes: readonly ChangeInput[],
  refuse: (error: RegistryError, index: number) => void,
): (readonly [Given, number])[] {
  const given: (readonly [Given, number])[] = [];
  for (const [index, change] of changes.entries()) {
    try {
      given.push([read(change), index]);
    } catch (error) {
      refuse(refusal(error), index);
    }
  }
  return given;
}

/** Whatever else is thrown is a mistake of ours. */
function refusal(error: unknown): RegistryError {
  if (error instanceof RegistryError) return error;
  throw error;
}

/** What a change is about, as "service web"; of one that can't be read, if it says so. */
function named(change: Given | ChangeInput): string[] {
  const [kind = ""] = String(change.kind).split(".");
  const object = "id" in change ? change : (change as unknown as Readonly<Record<string, unknown>>)[kind];
  const { id } = (object ?? {}) as { readonly id?: string };
  return id === undefined ? [] : [`${kind} ${id}`];
}

/** The objects that must be there for it. */
function asked(change: Given): (readonly [Kind, string])[] {
  switch (change.kind) {
    case "service.put":
      return networks(change.service.networks);
    case "task.put":
      return [["service", change.task.service], ...networks(change.task.endpoints)];
    case "container.put":
      return networks(change.container.endpoints);
    case "sandbox.put":
      return [[change.sandbox.member.kind, change.sandbox.member.id]];
    default:
      return [];
  }
}

const networks = (on: readonly { readonly network: string }[] = []) =>
  on.map(({ network }) => ["network", network] as const);
