/**
 * Applies a batch of changes to the state: all of them, or none and a RegistryError. Each step checks, allocates what was
 * left out, and remembers how to take itself back.
 */
import { type Given, placeAsGiven } from "../model/change.ts";
import type { ChangeInput } from "../model/input.ts";
import type { Change } from "../model/types.ts";
import { putContainer, releaseContainer } from "./containers.ts";
import { RegistryError, within } from "./error.ts";
import { type Kind, putOf, remove } from "./kinds.ts";
import { putNetwork, releaseNetwork } from "./networks.ts";
import { patched } from "./patch.ts";
import { Ranges } from "./ranges.ts";
import { read, readAll } from "./read.ts";
import { checkMember, putSandbox, releaseSandbox } from "./sandboxes.ts";
import { putService, releaseService } from "./services.ts";
import { spokenFor, subnetsOf } from "./spoken.ts";
import { nothingTouched, type State, type Touching } from "./state.ts";
import type { Step } from "./step.ts";
import { putTask, releaseTask } from "./tasks.ts";
import { Undo } from "./undo.ts";

/** What was touched, and the changes as they came to be (addresses filled in); puts that change nothing are left out. */
export interface Reduced {
  readonly touched: Touching;
  readonly changes: readonly Change[];
  /** Takes all of it back; only as long as nothing was done since. */
  readonly undo: () => void;
}

export function reduce(state: State, changes: readonly ChangeInput[]): Reduced {
  const given = readAll(changes);
  const step = stepFor(state, given);
  const done: Change[] = [];
  try {
    for (; step.index < given.length; step.index++) {
      const applied = one(step, given[step.index]!);
      if (applied !== undefined) done.push(applied);
    }
    checkMembers(step);
  } catch (error) {
    step.undo.rollback();
    throw located(error, given[step.index], step.index);
  }
  return { touched: step.touched, changes: done, undo: () => step.undo.rollback() };
}

/**
 * The same for objects as a store kept them. So sandboxes may come without the container or task that they belong to, which has gone since; a
 * service without a place on the mesh had none; and nothing has to be allocated. Each object is read when its turn comes: there may be a
 * hundred thousand, and they need not be here twice.
 */
export function reduceStored(state: State, stored: Iterable<Change>): Omit<Reduced, "undo"> {
  const step = { ...stepOn(state), stored: true };
  const done: Change[] = [];
  let given: Given | undefined;
  try {
    for (const object of stored) {
      given = undefined;
      given = read(object, true);
      const applied = one(step, given);
      if (applied !== undefined) done.push(applied);
      step.index++;
    }
  } catch (error) {
    step.undo.rollback();
    throw located(error, given, step.index);
  }
  return { touched: step.touched, changes: done };
}

/** For a batch that was read. */
export const stepFor = (state: State, given: readonly Given[]): Step => ({
  ...stepOn(state),
  spoken: spokenFor(given),
  subnets: subnetsOf(given),
});

const stepOn = (state: State): Step => ({
  state,
  undo: new Undo(),
  touched: nothingTouched(),
  spoken: new Set(),
  subnets: new Ranges(),
  joined: new Map(),
  stored: false,
  index: 0,
});

/** Members are looked for at the end of the batch: a sandbox may come before its container in it. */
function checkMembers(step: Step): void {
  for (const [id, index] of step.joined) {
    step.index = index;
    checkMember(step.state, id);
  }
}

/** The error, with the change that it is about. */
export function located(error: unknown, change: Given | undefined, index: number): unknown {
  if (!(error instanceof RegistryError)) return error;
  if (change === undefined) return Object.assign(error, { index }); // it could not be read
  if (error.path !== undefined) {
    error.path = placeAsGiven(change, error.path);
    const [field = ""] = error.path.split(/[.[]/, 1);
    within("patch" in change && Object.hasOwn(change.patch, field) ? "patch" : change.kind.replace(/\..*/, ""), error);
  }
  return Object.assign(error, { op: change.kind, index });
}

/** The change as it came to be, or undefined if nothing changed. */
export function one(step: Step, change: Given): Change | undefined {
  switch (change.kind) {
    case "network.put":
      return put("network", putNetwork(step, change.network));
    case "service.put":
      return put("service", putService(step, change.service));
    case "task.put":
      return put("task", putTask(step, change.task));
    case "container.put":
      return put("container", putContainer(step, change.container));
    case "sandbox.put":
      return put("sandbox", putSandbox(step, change.sandbox));
    case "network.patch":
    case "service.patch":
    case "task.patch":
    case "container.patch":
    case "sandbox.patch":
      return one(step, read(patched(step.state, change)));
    case "network.remove":
      return remove(step, "network", change.id, releaseNetwork) ? change : undefined;
    case "service.remove":
      return remove(step, "service", change.id, releaseService) ? change : undefined;
    case "task.remove":
      return remove(step, "task", change.id, releaseTask) ? change : undefined;
    case "container.remove":
      return remove(step, "container", change.id, releaseContainer) ? change : undefined;
    case "sandbox.remove":
      return remove(step, "sandbox", change.id, releaseSandbox) ? change : undefined;
  }
}

const put = (kind: Kind, object: object | undefined): Change | undefined =>
  object === undefined ? undefined : putOf(kind, object);
