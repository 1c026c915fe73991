/**
 * What every write has: it may be tried, made under a condition, waited for, and it leaves alone what a config file says. All of that is
 * judged in the step in which the batch is made.
 */
import { z } from "zod";
import { slotOrNode } from "../model/defaults.ts";
import type { ChangeInput } from "../model/input.ts";
import { brief } from "../model/quote.ts";
import type { Change, ReadonlyState } from "../model/types.ts";
import type { Kind } from "../registry/kinds.ts";
import type { Conditions } from "./conditions.ts";
import { tagOf } from "./conditions.ts";
import type { Control } from "./control.ts";
import { type Held, objectsOf } from "./objects.ts";
import { Problem } from "./problem.ts";
import type { Answer, Asked } from "./route.ts";
import type { Waited } from "./waits.ts";

/** A day: as long as a task may drain. */
const LONGEST = 86_400;

export const timeout = z.number().min(0).max(LONGEST).default(30).describe("seconds that `wait` may take");

export const writeQuery = z.strictObject({
  wait: z
    .enum(["applied", "drained"])
    .optional()
    .describe("answer when it is in names and kernel, or when connections to what went have ended, too"),
  timeout,
  dry_run: z.boolean().default(false).describe("say what would become of it, and change nothing"),
});

export type WriteQuery = z.output<typeof writeQuery>;

export interface Writing {
  readonly conditions: Conditions;
  /** The changes, of state as it is. What it throws refuses them. */
  readonly batch: (state: ReadonlyState) => readonly ChangeInput[];
  /** What the answer says beside the revision, from what there is afterwards (or, tried, would be). */
  readonly shown: (after: After) => object;
  /** Whose tag the answer has, if it is about one object. */
  readonly of?: () => { readonly kind: Kind; readonly id: string; readonly status: number };
}

/** An object that there is after a write, or would be. */
export type After = (kind: Kind, id: string) => Held | undefined;

export async function written(control: Control, asked: Asked<WriteQuery>, writing: Writing): Promise<Answer> {
  const { node, catalog, waits } = control;
  const { batch, conditions, shown, of } = writing;
  const { wait, timeout, dry_run } = asked.query;
  if (dry_run) {
    const after = afterTrial(node.state, node.rehearse(batch));
    return { status: 200, body: { revision: node.state.revision, dry_run, ...shown(after) } };
  }
  const revision = await node.write(batch, { alone: conditions.any });
  const waited: Waited | undefined =
    wait && (await waits.wait(wait, revision, timeout, asked.outgoing).catch(() => NOT_WAITED));
  const { kind, id, status = 200 } = of?.() ?? {};
  const tag = kind && catalog.revisionOf(kind, id!);
  return {
    status: waited?.waited === "timeout" ? 202 : status,
    body: { revision, ...shown((kind, id) => objectsOf(node.state, kind).get(id)), ...waited },
    ...(tag !== undefined && { headers: { etag: tagOf(tag) } }),
  };
}

/** It is written, whatever keeps us from waiting: whoever is told to try again would do it twice. */
const NOT_WAITED: Waited = { waited: "timeout" };

function afterTrial(state: ReadonlyState, changes: readonly Change[]): After {
  const became = new Map(
    changes.map((change) => {
      const kind = change.kind.split(".")[0] as Kind;
      const object = (change as unknown as Readonly<Record<string, Held | undefined>>)[kind];
      return [`${kind} ${object?.id ?? (change as { readonly id: string }).id}`, object] as const;
    }),
  );
  return (kind, id) => (became.has(`${kind} ${id}`) ? became.get(`${kind} ${id}`) : objectsOf(state, kind).get(id));
}

/** Throws a Problem if a config file says what this object is. */
export function ours({ config }: Control, kind: Kind, object: Held | undefined): void {
  if (object?.source === undefined) return;
  const place = config?.placeOf(kind, object.id) ?? (object.source === "-" ? "standard input" : object.source);
  throw new Problem(
    "conflict",
    `${kind} "${brief(object.name ?? object.id)}" is written in ${place}; change it there, and eleven reload`,
  );
}

/** Whose change it is. */
export function targetOf(change: ChangeInput): { readonly kind: Kind; readonly id: string } {
  switch (change.kind) {
    case "network.put":
      return { kind: "network", id: change.network.id ?? change.network.name };
    case "service.put":
      return { kind: "service", id: change.service.id ?? change.service.name };
    case "container.put":
      return { kind: "container", id: change.container.id ?? change.container.name };
    case "task.put":
      return { kind: "task", id: change.task.id ?? `${change.task.service}.${slotOrNode(change.task)}` };
    case "sandbox.put":
      return { kind: "sandbox", id: change.sandbox.id ?? change.sandbox.member.id };
    default:
      return { kind: change.kind.split(".")[0] as Kind, id: change.id };
  }
}
