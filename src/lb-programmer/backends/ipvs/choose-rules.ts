/** Which rules a process writes: nf_tables where the kernel has what we need of it, else iptables. Once, for all of its targets. */
import { hasTable } from "../../../os/netlink/nfnetlink.ts";
import { xtablesSizes } from "../../../os/xtables.ts";
import type { LbTarget } from "../../state.ts";
import { LbError } from "../backend.ts";
import { inside } from "../common/failure.ts";
import type { Localnet } from "../common/localnet.ts";
import { IptablesRules } from "./iptables/iptables-rules.ts";
import type { Rules } from "./rules.ts";
import { TableRules } from "./table/table-rules.ts";

export function chooseRules(
  localnet: Localnet,
  iptables: "legacy" | "nft" | true | undefined,
): (target: LbTarget) => Promise<Rules> {
  const old = new IptablesRules(localnet, typeof iptables === "string" ? `-${iptables}` : undefined);
  if (iptables !== undefined) return async () => old;
  const table = new TableRules(localnet);
  /** Targets in which nothing of an earlier version's is left. */
  const tidy = new Set<string>();
  let taken: Promise<Rules> | undefined;
  return async (target) => {
    taken ??= suits(table, target).then(
      (does) => (does ? table : old),
      (error) => {
        taken = undefined;
        throw error;
      },
    );
    const rules = await taken;
    const place = `${target.id} ${target.netns ?? ""}`;
    if (rules === table && !tidy.has(place)) {
      if (inside(target, "rules", mayHaveIptables)) await leaveNothing(old, target);
      tidy.add(place);
    }
    return rules;
  };
}

/** Asked at home if we may: in a container's namespace, the container has a say. */
async function suits(table: Rules, target: LbTarget): Promise<boolean> {
  const probe = (where: LbTarget): Promise<boolean> =>
    table.probe(where).then(
      () => true,
      (error) => {
        if (error instanceof LbError && error.code === "missing") return false;
        throw error;
      },
    );
  try {
    return await probe(HOME);
  } catch (error) {
    if (!(error instanceof LbError) || error.code !== "denied") throw error;
    return await probe(target);
  }
}

const HOME: LbTarget = { kind: "host", id: "home", bridge: "" };

const [IPV4, IPV6] = [2, 10];

/** Earlier versions had all rules there. */
const mayHaveIptables = (): boolean =>
  xtablesSizes() !== "" ||
  [IPV4, IPV6].some((family) => ["mangle", "nat", "filter"].some((table) => hasTable(family, table)));

/** Whoever has no iptables has no rules by it. */
async function leaveNothing(rules: Rules, target: LbTarget): Promise<void> {
  try {
    await rules.remove(target);
  } catch (error) {
    if (!(error instanceof LbError) || error.code !== "missing") throw error;
  }
}
