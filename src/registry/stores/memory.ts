/** Keeps objects as long as the process lives: for one node, and for tests. */
import type { Change } from "../../model/types.ts";
import { type Feed, type Store, StoreError } from "./store.ts";

export function memoryStore(): Store {
  const objects = new Map<string, Map<string, Change>>(KINDS.map((kind) => [kind, new Map()]));
  let feed: Feed | undefined;
  let stopListening: (() => void) | undefined;

  const close = async (): Promise<void> => {
    feed = undefined;
    stopListening?.();
    stopListening = undefined;
  };

  return {
    close,

    async open(into, signal) {
      signal?.throwIfAborted();
      if (feed !== undefined) throw new StoreError("open", "open", "the store is open already");
      const stored = [...objects.values()].flatMap((o) => [...o.values()]);
      if (stored.length > 0) into(stored);
      feed = into;
      signal?.addEventListener("abort", close, { once: true });
      stopListening = () => signal?.removeEventListener("abort", close);
    },

    async write(changes) {
      if (feed === undefined) throw new StoreError("closed", "write", "the store is not open");
      if (changes.length === 0) return;
      feed(changes);
      for (const change of changes) keep(objects, change);
    },
  };
}

/** In the order in which a registry can take them: each refers to earlier ones only. */
const KINDS = ["network", "service", "task", "container", "sandbox"] as const;

function keep(objects: ReadonlyMap<string, Map<string, Change>>, change: Change): void {
  const [kind = "", verb] = change.kind.split(".");
  const of = objects.get(kind)!;
  if (verb === "put") of.set(idOf(change), change);
  else of.delete(idOf(change));
  if (change.kind !== "service.remove") return;
  // As in the registry, a service takes its tasks along.
  const tasks = objects.get("task")!;
  for (const [id, put] of tasks) if (put.kind === "task.put" && put.task.service === change.id) tasks.delete(id);
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
    default:
      return change.id;
  }
}
