/**
 * Base chains, whose rules look into maps and sets that state is put into (sets.ts). A rule is there if its sets are, a chain if it has
 * such a rule, a set once it had an element: so a namespace has the hooks that it needs, and a base chain changes when something of a kind
 * comes that was never there. What else there is are elements and the chains of servers.
 *
 * One table of family inet serves both address families: its nat chains take `dnat ip` and `dnat ip6` side by side.
 */
import type { Base, Change } from "../../../os/nftables/types.ts";
import { SETS } from "./sets.ts";
import type { BaseChain, Rule } from "./words.ts";

export class Skeleton {
  readonly #all: readonly {
    readonly name: string;
    readonly base: Base;
    readonly rules: readonly { readonly rule: Rule; readonly sets: readonly string[] }[];
  }[];

  /** `bases`: all that there can be, by name. */
  constructor(bases: Readonly<Record<string, BaseChain>>) {
    this.#all = Object.entries(bases).map(([name, { base, rules }]) => ({
      name,
      base,
      rules: rules.map((rule) => ({ rule, sets: setsOf(rule) })),
    }));
  }

  /** Those of a table with these sets. */
  basesWith(sets: ReadonlySet<string>): ReadonlyMap<string, BaseChain> {
    const bases = new Map<string, BaseChain>();
    for (const { name, base, rules } of this.#all) {
      const there = rules.filter((rule) => rule.sets.every((set) => sets.has(set)));
      // Rules that look into nothing are there for the others.
      if (there.some((rule) => rule.sets.length > 0)) bases.set(name, { base, rules: there.map(({ rule }) => rule) });
    }
    return bases;
  }

  /** The rules that `made`, sets which are new, call for beside those that are there. A chain that gets one is written anew, for their order. */
  joining(there: ReadonlySet<string>, made: readonly string[]): readonly Change[] {
    if (!made.some((name) => SETS.has(name))) return [];
    const before = this.basesWith(there);
    return [...this.basesWith(new Set([...there, ...made]))].flatMap(([name, { base, rules }]): readonly Change[] => {
      const old = before.get(name);
      if (old?.rules.length === rules.length) return [];
      const begin: Change = old ? { kind: "chain.flush", chain: name } : { kind: "chain.add", chain: { name, base } };
      return [begin, ...rules.map((statements): Change => ({ kind: "rule.add", rule: { chain: name, statements } }))];
    });
  }

  /** All that a kernel must know. */
  whole(): readonly Change[] {
    const used = new Set(this.#all.flatMap(({ rules }) => rules.flatMap(({ sets }) => sets)));
    const sets = [...SETS.values()].filter(({ name }) => used.has(name) || NOTES.test(name));
    return [
      { kind: "table.add" },
      ...sets.map((set): Change => ({ kind: "set.add", set })),
      ...this.joining(new Set(), [...used]),
    ];
  }
}

/** What only we look into. */
const NOTES = /^(servers[46]|tasks[46]|owned[46]|names)$/;

function setsOf(rule: Rule): readonly string[] {
  return rule.flatMap((statement) => {
    if (statement.kind === "in set") return statement.set;
    if (statement.kind === "count" && typeof statement.counter === "object") return statement.counter.map;
    if (statement.kind === "vmap" || statement.kind === "set meta mark") return statement.map;
    return statement.kind === "nat" && typeof statement.to === "object" && "map" in statement.to
      ? statement.to.map
      : [];
  });
}
