/**
 * Base chains, whose rules look into maps and sets that state is put into (sets.ts). A rule is there if the sets are that it finds something
 * in, a chain if it has such a rule, a set once it had an element: so a namespace has the hooks that it needs, and a base chain changes when
 * something of a kind comes that was never there. What else there is are elements and the chains of servers.
 *
 * A set that a rule asks what is NOT in it comes with the rule, empty or not: nothing is in a set that is not there, so that rule is for all
 * packets, and to leave it out would let in who should be dropped.
 *
 * One table of family inet serves both address families: its nat chains take `dnat ip` and `dnat ip6` side by side.
 */
import { compileOnce } from "../../../os/nftables/compile.ts";
import type { Statement } from "../../../os/nftables/statement.ts";
import type { Base, Change } from "../../../os/nftables/types.ts";
import { SETS } from "./sets.ts";
import type { BaseChain, Rule } from "./words.ts";

export class Skeleton {
  readonly #all: readonly { readonly name: string; readonly base: Base; readonly rules: readonly Placed[] }[];

  /** `bases`: all that there can be, by name. */
  constructor(bases: Readonly<Record<string, BaseChain>>) {
    this.#all = Object.entries(bases).map(([name, { base, rules }]) => ({ name, base, rules: rules.map(placed) }));
    for (const { rules } of Object.values(bases)) compileOnce(rules);
  }

  /** Those of a table with these sets. */
  basesWith(sets: ReadonlySet<string>): ReadonlyMap<string, BaseChain> {
    return new Map(
      this.#with(sets).map(({ name, base, rules }) => [name, { base, rules: rules.map(({ rule }) => rule) }]),
    );
  }

  /**
   * The rules that `made`, sets which are new, call for beside those that are there, behind the sets that come with them. A chain that gets
   * one is written anew, for their order.
   */
  joining(there: ReadonlySet<string>, made: readonly string[]): readonly Change[] {
    if (!made.some((name) => SETS.has(name))) return [];
    const before = this.basesWith(there);
    const all = new Set([...there, ...made]);
    const bases = this.#with(all);
    const along = new Set(bases.flatMap(({ rules }) => rules.flatMap(({ brings }) => brings)));
    return [
      ...[...along].flatMap((name): readonly Change[] =>
        all.has(name) ? [] : [{ kind: "set.add", set: SETS.get(name)! }],
      ),
      ...bases.flatMap(({ name, base, rules }): readonly Change[] => {
        const old = before.get(name);
        if (old?.rules.length === rules.length) return [];
        const begin: Change = old ? { kind: "chain.flush", chain: name } : { kind: "chain.add", chain: { name, base } };
        return [
          begin,
          ...rules.map(({ rule }): Change => ({ kind: "rule.add", rule: { chain: name, statements: rule } })),
        ];
      }),
    ];
  }

  /** All that a kernel must know. */
  whole(): readonly Change[] {
    const used = new Set(this.#all.flatMap(({ rules }) => rules.flatMap(({ needs, brings }) => [...needs, ...brings])));
    const sets = [...SETS.values()].filter(({ name }) => used.has(name) || NOTES.test(name));
    return [
      { kind: "table.add" },
      ...sets.map((set): Change => ({ kind: "set.add", set })),
      ...this.joining(new Set(), [...used]),
    ];
  }

  #with(sets: ReadonlySet<string>) {
    return this.#all.flatMap(({ name, base, rules }) => {
      const there = rules.filter(({ needs }) => needs.every((set) => sets.has(set)));
      // Rules that need nothing are there for the others.
      return there.some(({ needs }) => needs.length > 0) ? [{ name, base, rules: there }] : [];
    });
  }
}

/** A rule, the sets without which it finds nothing, and those that come with it. */
interface Placed {
  readonly rule: Rule;
  readonly needs: readonly string[];
  readonly brings: readonly string[];
}

const placed = (rule: Rule): Placed => ({
  rule,
  needs: rule.flatMap(needed),
  brings: rule.flatMap((statement) => (statement.kind === "not in set" ? statement.set : [])),
});

/** What only we look into. */
const NOTES = /^(servers[46]|tasks[46]|owned[46]|names)$/;

function needed(statement: Statement): string | readonly never[] {
  switch (statement.kind) {
    case "in set":
    case "update":
      return statement.set;
    case "vmap":
    case "set meta mark":
      return statement.map;
    case "count":
      return typeof statement.counter === "object" ? statement.counter.map : [];
    case "nat":
      return typeof statement.to === "object" && "map" in statement.to ? statement.to.map : [];
    case "not in set":
    case "match":
    case "opens":
    case "marked":
    case "set mark":
    case "one of":
    case "masquerade":
    case "redirect":
    case "counter":
    case "reject":
    case "verdict":
      return [];
  }
}
