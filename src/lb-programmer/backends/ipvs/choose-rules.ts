/** Which rules a process writes: nf_tables where the kernel has what we need of it, else iptables. Once, for all of its targets. */
import { hasTable } from "../../../os/netlink/nfnetlink.ts";
import { xtablesSizes } from "../../../os/xtables.ts";
import type { LbTarget } from "../../state.ts";
import { LbError } from "../backend.ts";
import { inside } from "../common/failure.ts";
import type { Localnet } from "../common/localnet.ts";
import { whereOf } from "../common/where.ts";
import { IptablesRules } from "./iptables/iptables-rules.ts";
import type { Rules } from "./rules.ts";
import { TableRules } from "./table/table-rules.ts";

export class RulesChoice {
  readonly #old: Rules;
  readonly #table: Rules;
  #taken: Promise<Rules> | undefined;
  /** Targets in which nothing of an earlier version's is left. */
  readonly #tidy = new Set<string>();

  constructor(localnet: Localnet, iptables: "legacy" | "nft" | true | undefined) {
    this.#old = new IptablesRules(localnet, typeof iptables === "string" ? `-${iptables}` : undefined);
    this.#table = new TableRules(localnet);
    if (iptables !== undefined) this.#taken = Promise.resolve(this.#old);
  }

  async of(target: LbTarget): Promise<Rules> {
    this.#taken ??= suits(this.#table, target).then(
      (does) => (does ? this.#table : this.#old),
      (error) => {
        this.#taken = undefined;
        throw error;
      },
    );
    const rules = await this.#taken;
    if (rules === this.#table && !this.#tidy.has(whereOf(target))) {
      if (inside(target, "rules", mayHaveIptables)) await leaveNothing(this.#old, target);
      this.#tidy.add(whereOf(target));
    }
    return rules;
  }

  /** The target's namespace is gone, or cleared. */
  forget(target: LbTarget): void {
    this.#tidy.delete(whereOf(target));
    this.#table.forget(target);
  }
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
