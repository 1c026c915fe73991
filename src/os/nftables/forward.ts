/**
 * Chains of others that decide on forwarded packets, with as much of their rules as it takes to say what becomes of a packet. For the host's
 * own namespace: whoever may write there is root on the host.
 */
import { OsError } from "../error.ts";
import type { DumpLimits } from "../netlink/connection.ts";
import { withNetfilter } from "../netlink/nfnetlink.ts";
import { type Attributes, attributesIn, parseAttributes } from "../netlink/read.ts";
import { type Verdict, verdict } from "./layout.ts";
import { Lists } from "./lists.ts";

export interface ForwardChains {
  readonly chains: readonly ForwardChain[];
  /** Why there may be more of them: they could not be listed. */
  readonly unseen?: string;
}

/** A base chain at the hook "forward". */
export interface ForwardChain {
  readonly family: ForwardFamily;
  readonly table: string;
  readonly name: string;
  readonly policy: "accept" | "drop";
  /** Of its whole table, by chain. */
  readonly rules: ReadonlyMap<string, readonly ForwardRule[]>;
  /** Of its table: sets that belong to one rule, by name. */
  readonly sets: ReadonlyMap<string, readonly SetElement[]>;
  /** Why there are neither rules nor sets: they could not be read. */
  readonly unseen?: string;
}
export type ForwardFamily = keyof typeof FAMILIES;

export interface ForwardRule {
  readonly handle: number;
  readonly steps: readonly Step[];
}

/** An expression, by name, as it is in the kernel. */
export interface Step {
  readonly name: string;
  readonly attributes: Attributes;
}

export interface SetElement {
  readonly key: Buffer;
  readonly verdict: Verdict | undefined;
  /** The end of a range: then a value may be in the set without being one of its keys. */
  readonly end: boolean;
}

/** For all of it together. */
export type ForwardLimits = Pick<DumpLimits, "most" | "longest">;

/**
 * All of them but those in `own`, our own table. None where the kernel has no nf_tables. What is too large to be read, or never the same for as
 * long as it takes, is said so; iptables' own chains are found even then. Throws an OsError if the namespace, or the right to look, is missing.
 */
export function forwardChains(
  netns: string | undefined,
  own: string,
  { most, longest = 2_000 }: ForwardLimits = {},
): ForwardChains {
  const until = performance.now() + longest;
  const within = <T>(read: (lists: Lists) => T): T =>
    withNetfilter(netns, (netlink) => read(new Lists(netlink, OP, { most, until })));
  try {
    const bases = orWhy(() => within((lists) => basesIn(lists, own)));
    const listed = typeof bases === "string" ? within(iptablesBases) : bases;
    const chains = listed.flatMap((base): readonly ForwardChain[] => {
      const read = orWhy(() => within((lists) => (isDormant(lists, base) ? [] : [ruled(lists, base)])));
      return typeof read === "string" ? [{ ...base, rules: new Map(), sets: new Map(), unseen: read }] : read;
    });
    return typeof bases === "string" ? { chains, unseen: bases } : { chains };
  } catch (error) {
    if (error instanceof OsError && NO_TABLES.has(error.code)) return { chains: [] };
    throw error;
  }
}

/** What can't be read for now, in words: more than is read, or another at the end than at the beginning, or gone meanwhile. */
function orWhy<T extends object>(read: () => T): T | string {
  try {
    return read();
  } catch (error) {
    if (error instanceof OsError && !NO_WAY.has(error.op) && UNREADABLE.has(error.code)) return error.message;
    throw error;
  }
}

const UNREADABLE = new Set(["E2BIG", "EINTR", "ENOENT", "ENOBUFS", "EBUSY"]);
/** Of os/netns.ts: there is no such namespace. */
const NO_WAY = new Set(["open namespace", "setns"]);
const FAMILIES = { ip: 2, ip6: 10, inet: 1 } as const;
const NAMES = new Map<number, ForwardFamily>(
  Object.entries(FAMILIES).map(([name, number]) => [number, name as ForwardFamily]),
);
const NO_TABLES = new Set(["EOPNOTSUPP", "EINVAL", "EPROTONOSUPPORT"]);
const FORWARD = 2;
const DROP = 0;
const OP = "nftables chains";

const TABLE = { name: 1, flags: 2 };
const DORMANT = 1;
const CHAIN = { table: 1, name: 3, hook: 4, policy: 5, number: 1 };
const RULE = { table: 1, chain: 2, handle: 3, expressions: 4 };
const ELEMENTS = { table: 1, set: 2, list: 3, key: 1, data: 2, flags: 3, value: 1 };
const EXPRESSION = { name: 1, data: 2 };

type Base = Pick<ForwardChain, "family" | "table" | "name" | "policy">;

const basesIn = (lists: Lists, own: string): readonly Base[] =>
  lists.list("GETCHAIN", 0, {}, (family, from) => {
    const base = baseOf(NAMES.get(family), from);
    return base?.family === "inet" && base.table === own ? undefined : base;
  });

/** Asked for by name, whatever else there is. */
const iptablesBases = (lists: Lists): readonly Base[] =>
  (["ip", "ip6"] as const).flatMap((family) => {
    try {
      return (
        baseOf(family, lists.one("GETCHAIN", FAMILIES[family], { [CHAIN.table]: "filter", [CHAIN.name]: "FORWARD" })) ??
        []
      );
    } catch (error) {
      if (error instanceof OsError && error.code === "ENOENT") return [];
      throw error;
    }
  });

function baseOf(family: ForwardFamily | undefined, from: Attributes): Base | undefined {
  const [table, name] = [from.text(CHAIN.table), from.text(CHAIN.name)];
  if (family === undefined || table === undefined || name === undefined) return undefined;
  if (from.nested(CHAIN.hook).be32(CHAIN.number) !== FORWARD) return undefined;
  return { family, table, name, policy: from.be32(CHAIN.policy) === DROP ? "drop" : "accept" };
}

/** Of `flags dormant`: none of its chains sees a packet. */
const isDormant = (lists: Lists, { family, table }: Base): boolean =>
  ((lists.one("GETTABLE", FAMILIES[family], { [TABLE.name]: table }).be32(TABLE.flags) ?? 0) & DORMANT) !== 0;

function ruled(lists: Lists, base: Base): ForwardChain {
  const rules = rulesOf(lists, base);
  return { ...base, rules, sets: setsOf(lists, base, rules) };
}

function rulesOf(lists: Lists, { family, table }: Base): ForwardChain["rules"] {
  const rules = new Map<string, ForwardRule[]>();
  const found = lists.list("GETRULE", FAMILIES[family], { [RULE.table]: table }, (_, from) => {
    const chain = from.text(RULE.chain);
    return chain === undefined || from.text(RULE.table) !== table ? undefined : { chain, from };
  });
  for (const { chain, from } of found) {
    const steps = attributesIn(from.raw(RULE.expressions) ?? Buffer.alloc(0)).map(([, entry]) => {
      const expression = parseAttributes(entry);
      return { name: expression.text(EXPRESSION.name) ?? "", attributes: expression.nested(EXPRESSION.data) };
    });
    const rule = { handle: from.be64(RULE.handle) ?? 0, steps };
    const before = rules.get(chain);
    if (before === undefined) rules.set(chain, [rule]);
    else before.push(rule);
  }
  return rules;
}

/** Sets of a rule's own, "{ established, related }": the named ones may be anybody's, of any size, and are another a moment later. */
function setsOf(lists: Lists, { family, table }: Base, rules: ForwardChain["rules"]): ForwardChain["sets"] {
  const steps = [...rules.values()].flat().flatMap((rule) => rule.steps);
  const names = new Set(steps.flatMap(({ name, attributes }) => (name === "lookup" ? (attributes.text(1) ?? []) : [])));
  const elements = (name: string) =>
    lists
      .list("GETSETELEM", FAMILIES[family], { [ELEMENTS.table]: table, [ELEMENTS.set]: name }, (_, from) =>
        elementsOf(from),
      )
      .flat();
  return new Map([...names].filter((name) => OWN_SET.test(name)).map((name) => [name, elements(name)]));
}

const OWN_SET = /^__(set|map)\d+$/;

const elementsOf = (from: Attributes): readonly SetElement[] =>
  attributesIn(from.raw(ELEMENTS.list) ?? Buffer.alloc(0)).map(([, entry]) => {
    const element = parseAttributes(entry);
    return {
      key: Buffer.from(element.nested(ELEMENTS.key).raw(ELEMENTS.value) ?? []),
      verdict: verdict.read(element, ELEMENTS.data),
      end: ((element.be32(ELEMENTS.flags) ?? 0) & 1) === 1,
    };
  });
