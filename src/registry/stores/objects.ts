/** The objects in a store: what was last said about each. It is told what became of every object, so it knows no rules. */
import type { Change } from "../../model/types.ts";
import { KINDS } from "../kinds.ts";

export class Objects {
  readonly #kinds = new Map<string, Map<string, Change>>(KINDS.map((kind) => [kind, new Map()]));

  keep(changes: readonly Change[]): void {
    for (const change of changes) {
      const [kind = "", verb] = change.kind.split(".");
      const objects = this.#kinds.get(kind)!;
      if (verb === "put") objects.set(idOf(change), change);
      else objects.delete(idOf(change));
    }
  }

  /** A put for each, in an order that an empty registry accepts. */
  all(): Change[] {
    return [...this.#kinds.values()].flatMap((objects) => [...objects.values()]);
  }

  /** The same, each forgotten here as it is taken: so that many are never there twice. */
  *drain(): Generator<Change, void, undefined> {
    for (const objects of this.#kinds.values())
      for (const [id, change] of objects) {
        objects.delete(id);
        yield change;
      }
  }
}

function idOf(change: Change): string {
  switch (change.kind) {
    case "network.put":
      return change.network.id;
    case "service.put":
      return change.service.id;
    case "task.put":
      return change.task.id;
    case "container.put":
      return change.container.id;
    case "sandbox.put":
      return change.sandbox.id;
    case "network.remove":
    case "service.remove":
    case "task.remove":
    case "container.remove":
    case "sandbox.remove":
      return change.id;
  }
}
