/** What people ask a running node: why a name is answered as it is, what is behind a VIP, whether the kernel is as it should be. */
import type { Balancing } from "../lb-programmer/order/balancing.ts";
import type { BalanceView, Drift, Repaired } from "../lb-programmer/order/inspection.ts";
import type { LbTarget } from "../lb-programmer/state.ts";
import type { ReadonlyState, SandboxId } from "../model/types.ts";
import type { Compiler } from "../scoping/compile.ts";
import type { DataPlane } from "../server/data-plane.ts";
import { type Explanation, explain } from "./explain.ts";

export interface InspectedParts {
  readonly state: ReadonlyState;
  readonly plane: Pick<DataPlane, "tables" | "flush">;
  readonly compiler: Pick<Compiler, "claimants">;
  readonly balancing: Pick<Balancing, "inspection"> | undefined;
}

/** Changes nothing, but for `repair` and `flush`. */
export class NodeInspection {
  readonly #parts: InspectedParts;

  constructor(parts: InspectedParts) {
    this.#parts = parts;
  }

  /** Rejects with a NodeError: "unknown" sandbox, "invalid" name or type. Nobody is asked: where a name is forwarded, it says to whom. */
  explain(sandbox: SandboxId, name: string, type?: string): Promise<Explanation> {
    const { state, plane, compiler } = this.#parts;
    const parts = {
      ...{ state, tables: plane.tables, compiler },
      balanced: async ({ id }: { readonly id: SandboxId }, networks: readonly string[], vips: ReadonlySet<string>) => {
        const views = await this.#inspection?.show((target) => isFor(target, id, networks), vips);
        return (views ?? []).filter(({ servers }) => servers.length > 0);
      },
    };
    return explain(parts, sandbox, name, type);
  }

  /** What is balanced in each namespace (`target`: in this one), as our last change left it. None where nothing is. */
  async balance(target?: string): Promise<readonly BalanceView[]> {
    return (await this.#inspection?.show(isCalled(target))) ?? [];
  }

  /** Reads the kernel and compares it with what should be there. */
  async drift(target?: string): Promise<readonly Drift[]> {
    return (await this.#inspection?.drift(isCalled(target))) ?? [];
  }

  /** Puts the kernel right now, without waiting for the next look. */
  async repair(target?: string): Promise<readonly Repaired[]> {
    return (await this.#inspection?.repair(isCalled(target))) ?? [];
  }

  /** Forgets what upstreams have answered, on every thread. */
  flush(): Promise<void> {
    return this.#parts.plane.flush();
  }

  get #inspection() {
    return this.#parts.balancing?.inspection;
  }
}

const isCalled =
  (id: string | undefined) =>
  (target: LbTarget): boolean =>
    id === undefined || target.id === id;

/** Where connections of this sandbox are balanced: in its own namespace, or in those of its networks. */
function isFor(target: LbTarget, sandbox: SandboxId, networks: readonly string[]): boolean {
  if (target.kind === "sandbox") return target.sandbox === sandbox || (target.also?.includes(sandbox) ?? false);
  return target.kind === "network" && networks.includes(target.network);
}
