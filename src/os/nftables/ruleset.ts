/**
 * What a table holds, read from the kernel as the same objects that are written, so that the two can be compared. The table may be in
 * a container's namespace: what is in it may be anything, and as much as it likes.
 */
import { OsError } from "../error.ts";
import type { DumpLimits, Netlink } from "../netlink/connection.ts";
import { generationOf } from "../netlink/nfnetlink.ts";
import type { Attributes } from "../netlink/read.ts";
import { MessageWriter } from "../netlink/write.ts";
import {
  attributesOf,
  type FoundRule,
  type FoundSet,
  parseChain,
  parseRule,
  parseSet,
  parseTable,
} from "./attributes.ts";
import type { OwnSet } from "./compile.ts";
import { parseObject } from "./counter.ts";
import { elementsOf, parseElements, type RawElement } from "./element.ts";
import type { Expression } from "./expression.ts";
import { NF_TABLES } from "./message.ts";
import type { Chain, Element, NamedSet } from "./types.ts";

export interface Ruleset {
  /** How often rules had been changed in the namespace. */
  readonly generation: number;
  /** 1: the table is dormant, 2: it has an owner, 4: it outlives its owner. */
  readonly flags: number;
  readonly chains: readonly Chain[];
  /** By chain. */
  readonly rules: ReadonlyMap<string, readonly ReadRule[]>;
  readonly sets: readonly NamedSet[];
  /** By set; not of dynamic ones. */
  readonly elements: ReadonlyMap<string, readonly Element[]>;
  /** Their names. */
  readonly counters: readonly string[];
  /** Names of chains, sets and objects that we can't have made. */
  readonly foreign: readonly string[];
}

/** A rule whose own sets stand in it, as compile.ts has them. */
export interface ReadRule extends Omit<FoundRule, "expressions"> {
  readonly expressions: readonly ReadExpression[];
}
type ReadExpression = Expression | (Omit<Extract<Expression, { kind: "lookup" }>, "set"> & { readonly set: OwnSet });

const OP = "nftables";
const ENOENT = "ENOENT";
const EINTR = 4;
const TRIES = 5;

/** For all of it together. */
export type RulesetLimits = Pick<DumpLimits, "most" | "longest">;

/** Undefined if there is no such table. Throws an OsError: E2BIG if it is larger than `limits`, EINTR if it never stays the same. */
export function readRuleset(netlink: Netlink, table: string, limits: RulesetLimits = {}): Ruleset | undefined {
  const reading = new Reading(netlink, table, limits);
  for (let tries = 0; tries < TRIES; tries++) {
    const generation = generationOf(netlink);
    const same = () => generationOf(netlink) === generation;
    try {
      const found = reading.ruleset(generation);
      if (same()) return found;
    } catch (error) {
      // What was listed a moment ago may be gone.
      if (!(error instanceof OsError) || error.code !== ENOENT || same()) throw error;
    }
  }
  throw new OsError(OP, EINTR, `table ${table}`, `it changed during each of ${TRIES} reads`);
}

class Reading {
  readonly #netlink: Netlink;
  readonly #table: string;
  /** What is left. */
  #octets: number;
  readonly #until: number;

  constructor(netlink: Netlink, table: string, { most = 64 << 20, longest = 2_000 }: RulesetLimits) {
    this.#netlink = netlink;
    this.#table = table;
    this.#octets = most;
    this.#until = performance.now() + longest;
  }

  ruleset(generation: number): Ruleset | undefined {
    const flags = this.#flags();
    if (flags === undefined) return undefined;
    const table = this.#table;
    const chains = this.#list("GETCHAIN", (from) => parseChain(from, table));
    const sets = this.#list("GETSET", (from) => parseSet(from, table));
    const named = sets.filter(({ anonymous }) => !anonymous);
    const own = new Map(sets.flatMap((found) => (isOwn(found) ? [[found.name, this.#own(found.set)]] : [])));
    const rules = new Map<string, ReadRule[]>(chains.map(({ name }) => [name, []]));
    for (const rule of this.#list("GETRULE", (from) => parseRule(from, table)))
      rules
        .get(rule.chain)
        ?.push({ ...rule, expressions: rule.expressions.filter(isOfUse).map((e) => withOwnSet(e, own)) });
    const objects = this.#list("GETOBJ", (from) => parseObject(from, table));
    const ours = named.flatMap(({ set }) => set ?? []);
    return {
      generation,
      flags,
      chains: chains.flatMap(({ chain }) => chain ?? []),
      rules,
      sets: ours,
      elements: new Map(ours.flatMap((set) => (set.dynamic ? [] : [[set.name, this.#elements(set)]]))),
      counters: objects.flatMap(({ name, counted }) => (counted === undefined ? [] : [name])),
      foreign: [
        ...chains.filter(({ chain }) => !chain),
        ...named.filter(({ set }) => !set),
        ...objects.filter(({ counted }) => counted === undefined),
      ].map(({ name }) => name),
    };
  }

  #flags(): number | undefined {
    const to = new MessageWriter().message(NF_TABLES.GETTABLE, 0, INET, (to) => to.text(1, this.#table));
    const found = this.#netlink.find(OP, to, `table ${this.#table}`);
    return found && parseTable(attributesOf(found));
  }

  #list = <T>(type: keyof typeof NF_TABLES, parse: (from: Attributes) => T | undefined): readonly T[] =>
    this.#dump(type, undefined, (message) => parse(attributesOf(message)));

  #elements = (set: NamedSet): readonly Element[] => elementsOf(set, this.#raw(set));

  /** Again where one comes twice: then another is missing, since the kernel moves elements of a set that has just grown. */
  #raw(set: NamedSet): readonly RawElement[] {
    for (let tries = 0; tries < TRIES; tries++) {
      const found = this.#dump("GETSETELEM", set.name, (message) => parseElements(message.subarray(INET.length), set));
      const elements = found.flat();
      if (isEachOnce(elements)) return elements;
    }
    throw new OsError(OP, EINTR, `set ${set.name}`, `elements came twice in each of ${TRIES} reads`);
  }

  #own = (set: NamedSet): OwnSet => ({
    type: set.key[0]!,
    values: this.#raw(set)
      .map(({ key }) => key)
      .sort(),
  });

  #dump<T>(type: keyof typeof NF_TABLES, set: string | undefined, read: (message: Buffer) => T | undefined): T[] {
    const to = new MessageWriter().message(NF_TABLES[type], 0, INET, (to) => {
      to.text(1, this.#table);
      if (set !== undefined) to.text(2, set);
    });
    const counted = (message: Buffer) => {
      this.#octets -= message.length;
      return read(message);
    };
    return this.#netlink.dump(OP, to, counted, { most: this.#octets, longest: this.#until - performance.now() });
  }
}

const INET = [1, 0, 0, 0] as const;

const isEachOnce = (elements: readonly RawElement[]): boolean =>
  new Set(elements.map(({ key, end }) => (end ? `${key} end` : key))).size === elements.length;

/** A set of a rule's own as compile.ts has them: values of one type, neither ranges nor a map. */
const isOwn = (found: FoundSet): found is FoundSet & { readonly set: NamedSet } =>
  found.anonymous && found.set?.key.length === 1 && !found.set.interval && found.set.value === undefined;

/** nft turns the octets of a protocol around before it looks for it in a set of ranges. It has one. */
const isOfUse = (e: Expression): boolean => e.kind !== "byteorder" || e.length !== 1 || e.from !== e.register;

function withOwnSet(expression: Expression, own: ReadonlyMap<string, OwnSet>): ReadExpression {
  const set = expression.kind === "lookup" ? own.get(expression.set) : undefined;
  return expression.kind === "lookup" && set !== undefined ? { ...expression, set } : expression;
}
