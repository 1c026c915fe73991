/** What people ask a running node: why a name is answered as it is, what is behind a VIP, whether the kernel is as it should be. */
import type { Balancing } from "../lb-programmer/order/balancing.ts";
import type { BalanceView, Drift, Repaired } from "../lb-programmer/order/inspection.ts";
import type { LbTarget } from "../lb-programmer/state.ts";
import type { NetworkId, ReadonlyState, SandboxId } from "../model/types.ts";
import type { Compiler } from "../scoping/compile.ts";
import type { DataPlane } from "../server/data-plane.ts";
import { type Explanation, explain } from "./explain.ts";

/** Changes nothing, but for `repair` and `flush`. */
export interface NodeInspection {
  /** Rejects with a NodeError: "unknown" sandbox, "invalid" name or type. Nobody is asked: where a name is forwarded, it says to whom. */
  explain(sandbox: SandboxId, name: string, type?: string): Promise<Explanation>;
  /** What is balanced in each namespace (`target`: in this one), as our last change left it. None where nothing is. */
  balance(target?: string): Promise<readonly BalanceView[]>;
  /** Reads the kernel and compares it with what should be there. */
  drift(target?: string): Promise<readonly Drift[]>;
  /** Puts the kernel right now, without waiting for the next look. */
  repair(target?: string): Promise<readonly Repaired[]>;
  /** Forgets what upstreams have answered, on every thread. */
  flush(): Promise<void>;
}

export interface InspectedParts {
  readonly state: ReadonlyState;
  readonly plane: Pick<DataPlane, "tables" | "flush">;
  readonly compiler: Pick<Compiler, "claimants">;
  readonly balancing: Pick<Balancing, "inspection"> | undefined;
}

export function inspectionOf({ state, plane, compiler, balancing }: InspectedParts): NodeInspection {
  const kernel = () => balancing?.inspection;
  const balanced = async (
    { id }: { readonly id: SandboxId },
    networks: readonly NetworkId[],
    vips: ReadonlySet<string>,
  ): Promise<BalanceView[]> => {
    const views = (await kernel()?.show((target) => isFor(target, id, networks), vips)) ?? [];
    return views.filter(({ servers }) => servers.length > 0);
  };
  return {
    explain: (sandbox, name, type) => explain({ state, tables: plane.tables, compiler, balanced }, sandbox, name, type),
    balance: async (target) => (await kernel()?.show(isCalled(target))) ?? [],
    drift: async (target) => (await kernel()?.drift(isCalled(target))) ?? [],
    repair: async (target) => (await kernel()?.repair(isCalled(target))) ?? [],
    flush: () => plane.flush(),
  };
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
