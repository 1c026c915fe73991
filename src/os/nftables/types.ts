/** What a table consists of, and the changes that one batch makes, as plain data. Words are nft's. All tables are of family inet. */
import type { TypeName } from "./datatype.ts";
import type { Statement } from "./statement.ts";

export interface Chain {
  readonly name: string;
  /** Missing: others jump to it, no packet comes by itself. */
  readonly base?: Base;
}

export interface Base {
  readonly type: "filter" | "nat" | "route";
  readonly hook: "prerouting" | "input" | "forward" | "output" | "postrouting";
  readonly priority: number;
  readonly policy: "accept" | "drop";
}

/** A set, or with `value` a map: to values, to verdicts, or to counters that have a name. */
export interface NamedSet {
  readonly name: string;
  readonly key: readonly TypeName[];
  readonly value?: readonly TypeName[] | "verdict" | "counter";
  /** Its keys are ranges: "10.0.1.0/24", "80-90". */
  readonly interval?: true;
  /** Rules put elements in, as many as `size`, which are forgotten after so many seconds. */
  readonly dynamic?: { readonly size: number; readonly timeout: number };
}

/** As nft writes it: "tcp . 8080", "goto s-256", "b-256" (a counter). */
export interface Element {
  readonly key: string;
  /** Of maps. */
  readonly value?: string | undefined;
  readonly comment?: string | undefined;
}

export interface Rule {
  readonly chain: string;
  readonly statements: readonly Statement[];
  readonly comment?: string | undefined;
}

/**
 * One step of a batch. What is added may be there already if it is the same; an element of a map can't be changed, but deleted and
 * added in one batch. What is deleted must be there, and nothing may refer to it any more.
 */
export type Change =
  | { readonly kind: "table.add" | "table.delete" }
  | { readonly kind: "chain.add"; readonly chain: Chain }
  | { readonly kind: "chain.flush" | "chain.delete"; readonly chain: string }
  | { readonly kind: "set.add"; readonly set: NamedSet }
  | { readonly kind: "set.flush" | "set.delete"; readonly set: string }
  | { readonly kind: "counter.add" | "counter.delete"; readonly counter: string }
  | { readonly kind: "rule.add"; readonly rule: Rule }
  | {
      readonly kind: "elements.add" | "elements.delete";
      readonly set: NamedSet;
      readonly elements: readonly Element[];
    };
