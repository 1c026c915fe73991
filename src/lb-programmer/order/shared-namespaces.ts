/**
 * Sandboxes that share one namespace are one target: rules are the namespace's, so its connections may reach what any of the
 * sandboxes may.
 */

import type { SandboxId } from "../../model/types.ts";
import type { SandboxTarget } from "../state.ts";

interface SharedNamespace {
  /** Of the target, the same however many sandboxes come and go. */
  readonly id: string;
  readonly netns: string;
  readonly sandboxes: SandboxId[];
}

export class SharedNamespaces {
  /** By namespace. */
  readonly #shared = new Map<string, SharedNamespace>();

  /** The target that the sandbox is part of now. */
  add(sandbox: SandboxId, netns: string): SandboxTarget {
    let shared = this.#shared.get(netns);
    if (shared === undefined) {
      shared = { id: this.#freeId(`sandbox/${sandbox}`), netns, sandboxes: [] };
      this.#shared.set(netns, shared);
    }
    if (!shared.sandboxes.includes(sandbox)) shared.sandboxes.push(sandbox);
    return targetOf(shared);
  }

  /** A target keeps the name of its first sandbox, which may have moved on. */
  #freeId(wanted: string): string {
    const taken = new Set([...this.#shared.values()].map(({ id }) => id));
    let id = wanted;
    for (let n = 2; taken.has(id); n++) id = `${wanted} (${n})`;
    return id;
  }

  /** What is left of its target, or the id of the target that is gone with it. */
  remove(sandbox: SandboxId): { readonly left?: SandboxTarget; readonly gone?: string } {
    for (const [netns, shared] of this.#shared) {
      const at = shared.sandboxes.indexOf(sandbox);
      if (at < 0) continue;
      shared.sandboxes.splice(at, 1);
      if (shared.sandboxes.length > 0) return { left: targetOf(shared) };
      this.#shared.delete(netns);
      return { gone: shared.id };
    }
    return {};
  }
}

function targetOf({ id, netns, sandboxes: [sandbox = "", ...also] }: SharedNamespace): SandboxTarget {
  return { kind: "sandbox", id, netns, sandbox, ...(also.length > 0 && { also }) };
}
