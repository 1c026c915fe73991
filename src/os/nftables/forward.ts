/**
 * Chains of others that decide on forwarded packets, with as much of their rules as it takes to say what becomes of a packet. For the host's
 * own namespace: whoever may write there is root on the host.
 */
import { OsError } from "../error.ts";
import type { Netlink } from "../netlink/connection.ts";
import { withNetfilter } from "../netlink/nfnetlink.ts";
import { type Attributes, attributesIn, parseAttributes } from "../netlink/read.ts";
import { MessageWriter } from "../netlink/write.ts";
import { type Verdict, verdict } from "./layout.ts";
import { NF_TABLES } from "./message.ts";

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

/** All of them but those in `own`, our own table. None where the kernel has no nf_tables. Throws an OsError. */
export function forwardChains(netns: string | undefined, own: string): readonly ForwardChain[] {
  try {
    return withNetfilter(netns, (netlink) => read(netlink, own));
  } catch (error) {
    if (error instanceof OsError && NO_TABLES.has(error.code)) return [];
    throw error;
  }
}

const FAMILIES = { ip: 2, ip6: 10, inet: 1 } as const;
const NAMES = new Map<number, ForwardFamily>(
  Object.entries(FAMILIES).map(([name, number]) => [number, name as ForwardFamily]),
);
const NO_TABLES = new Set(["EOPNOTSUPP", "EINVAL", "EPROTONOSUPPORT"]);
const FORWARD = 2;
const DROP = 0;
const OP = "nftables chains";

const CHAIN = { table: 1, name: 3, hook: 4, policy: 5, number: 1 };
const RULE = { table: 1, chain: 2, handle: 3, expressions: 4 };
const ELEMENTS = { table: 1, set: 2, list: 3, key: 1, data: 2, flags: 3, value: 1 };
const EXPRESSION = { name: 1, data: 2 };

function read(netlink: Netlink, own: string): readonly ForwardChain[] {
  const bases = list(netlink, "GETCHAIN", 0, [], (family, from) => {
    const [table, name] = [from.text(CHAIN.table), from.text(CHAIN.name)];
    if (family === undefined || table === undefined || name === undefined) return undefined;
    const isOwn = family === "inet" && table === own;
    if (isOwn || from.nested(CHAIN.hook).be32(CHAIN.number) !== FORWARD) return undefined;
    return { family, table, name, policy: from.be32(CHAIN.policy) === DROP ? "drop" : "accept" } as const;
  });
  return bases.map((base) => {
    const rules = rulesOf(netlink, base);
    return { ...base, rules, sets: setsOf(netlink, base, rules) };
  });
}

type Where = Pick<ForwardChain, "family" | "table">;

function rulesOf(netlink: Netlink, { family, table }: Where): ForwardChain["rules"] {
  const rules = new Map<string, ForwardRule[]>();
  const found = list(netlink, "GETRULE", FAMILIES[family], [table], (_, from) => {
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
function setsOf(netlink: Netlink, { family, table }: Where, rules: ForwardChain["rules"]): ForwardChain["sets"] {
  const steps = [...rules.values()].flat().flatMap((rule) => rule.steps);
  const names = new Set(steps.flatMap(({ name, attributes }) => (name === "lookup" ? (attributes.text(1) ?? []) : [])));
  return new Map(
    [...names]
      .filter((name) => OWN_SET.test(name))
      .map((name) => [
        name,
        list(netlink, "GETSETELEM", FAMILIES[family], [table, name], (_, from) => elementsOf(from)).flat(),
      ]),
  );
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

function list<T>(
  netlink: Netlink,
  type: keyof typeof NF_TABLES,
  family: number,
  names: readonly string[],
  read: (family: ForwardFamily | undefined, from: Attributes) => T | undefined,
): readonly T[] {
  const to = new MessageWriter().message(NF_TABLES[type], 0, [family, 0, 0, 0], (to) => {
    for (const [i, name] of names.entries()) to.text(i + 1, name);
  });
  return netlink.dump(OP, to, (message) => read(NAMES.get(message[0] ?? -1), parseAttributes(message.subarray(4))));
}
