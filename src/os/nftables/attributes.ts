/**
 * Tables, chains, sets and rules as attributes, both ways. linux/netfilter/nf_tables.h.
 *
 *   table  name 1, flags 2
 *   chain  table 1, name 3, hook 4 { number 1, priority 2 }, policy 5, type 7, flags 10
 *   set    table 1, name 2, flags 3, key: type 4, octets 5, value: type 6, octets 7, size 9 { 1, octets of each part of the key 2 },
 *          id 10, timeout 11, userdata 13, kind of objects 15
 *   rule   table 1, chain 2, handle 3, expressions 4, userdata 7
 */
import { type Attributes, parseAttributes } from "../netlink/read.ts";
import type { MessageWriter } from "../netlink/write.ts";
import { idOf, sizeOf, TYPES, type TypeName } from "./datatype.ts";
import { type Expression, type Known, parseExpressions, writeExpression } from "./expression.ts";
import {
  be32,
  be64,
  type Form,
  type Layout,
  named,
  nested,
  octets,
  readFields,
  signed,
  text,
  writeFields,
} from "./layout.ts";
import { COUNTER } from "./message.ts";
import type { Base, Chain, NamedSet } from "./types.ts";
import { commentIn, commentOctets, setUserdata } from "./userdata.ts";

const TABLE: Layout<{ name?: string; flags?: number }> = { name: [1, text], flags: [2, be32] };

const HOOKS = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;
const CHAIN: Layout<{
  table?: string;
  name?: string;
  hook?: { hook?: Base["hook"]; priority?: number };
  policy?: Base["policy"];
  type?: string;
  flags?: number;
}> = {
  table: [1, text],
  name: [3, text],
  hook: [4, nested({ hook: [1, named(HOOKS)], priority: [2, signed] })],
  policy: [5, named({ drop: 0, accept: 1 })],
  type: [7, text],
  flags: [10, be32],
};

/** Of a chain's flags: it has a hook. Others are for chains of hardware, and of single rules. */
const BASE_CHAIN = 1;

/** Octets of each part of a concatenation, as text: "1,2". */
const parts: Form<string> = {
  write: (to, type, sizes) =>
    void to.nested(type, () => {
      for (const size of sizes.split(",")) to.nested(1, () => to.be32(1, Number(size)));
    }),
  read: (from, type) => {
    if (!from.has(type)) return undefined;
    return from
      .nested(type)
      .entries()
      .map((part) => part.be32(1))
      .join();
  },
};

const SET: Layout<{
  table?: string;
  name?: string;
  flags?: number;
  keyType?: number;
  keySize?: number;
  valueType?: number;
  valueSize?: number;
  size?: { size?: number; parts?: string };
  id?: number;
  timeout?: number;
  userdata?: string;
  objects?: number;
}> = {
  table: [1, text],
  name: [2, text],
  flags: [3, be32],
  keyType: [4, be32],
  keySize: [5, be32],
  valueType: [6, be32],
  valueSize: [7, be32],
  size: [9, nested({ size: [1, be32], parts: [2, parts] })],
  id: [10, be32],
  timeout: [11, be64],
  userdata: [13, octets],
  objects: [15, be32],
};
const FLAG = {
  anonymous: 1,
  constant: 2,
  interval: 4,
  map: 8,
  timeout: 16,
  dynamic: 32,
  objects: 64,
  concatenated: 128,
} as const;
const OWN_FLAGS = FLAG.anonymous | FLAG.constant;
const DYNAMIC_FLAGS = FLAG.dynamic | FLAG.timeout;
const VERDICT = { type: 0xffff_ff00, size: 16 } as const;

const [RULE_TABLE, RULE_CHAIN, RULE_HANDLE, RULE_EXPRESSIONS, RULE_USERDATA] = [1, 2, 3, 4, 7] as const;

export const writeTable = (to: MessageWriter, name: string): void => writeFields(to, TABLE, { name, flags: 0 });

export function writeChain(to: MessageWriter, table: string, { name, base }: Chain): void {
  writeFields(to, CHAIN, { table, name });
  if (base === undefined) return;
  const { hook, priority, policy, type } = base;
  writeFields(to, CHAIN, { hook: { hook, priority }, policy, type });
}

export function writeSet(to: MessageWriter, table: string, set: NamedSet, id: number): void {
  const { name, key, value, interval, dynamic } = set;
  const sizes = interval ? partsOf(key) : undefined;
  const flags =
    (interval ? FLAG.interval : 0) |
    (sizes === undefined ? 0 : FLAG.concatenated) |
    (value === undefined ? 0 : value === "counter" ? FLAG.objects : FLAG.map) |
    (dynamic === undefined ? 0 : DYNAMIC_FLAGS);
  const keys = { keyType: idOf(key), keySize: sizeOf(key) };
  writeFields(to, SET, { table, name, flags, ...keys, id, userdata: setUserdata(set) });
  if (sizes !== undefined) writeFields(to, SET, { size: { parts: sizes } });
  if (value === "verdict") writeFields(to, SET, { valueType: VERDICT.type, valueSize: VERDICT.size });
  else if (value === "counter") writeFields(to, SET, { objects: COUNTER });
  else if (value !== undefined) writeFields(to, SET, { valueType: idOf(value), valueSize: sizeOf(value) });
  if (dynamic !== undefined) writeFields(to, SET, { size: { size: dynamic.size }, timeout: dynamic.timeout * 1000 });
}

/** Of one part, undefined. */
const partsOf = (key: readonly TypeName[]): string | undefined =>
  key.length > 1 ? key.map((type) => TYPES[type].size).join() : undefined;

/** A set for one rule, which goes with it. The kernel makes a name of this one. */
export function writeOwnSet(to: MessageWriter, table: string, type: TypeName, size: number, id: number): void {
  const keys = { keyType: idOf([type]), keySize: sizeOf([type]) };
  writeFields(to, SET, { table, name: OWN_SET, flags: OWN_FLAGS, ...keys, size: { size }, id });
}

export const OWN_SET = "__set%d";

export function writeRule(
  to: MessageWriter,
  table: string,
  chain: string,
  expressions: readonly Known[],
  comment: string | undefined,
): void {
  to.text(RULE_TABLE, table).text(RULE_CHAIN, chain);
  to.nested(RULE_EXPRESSIONS, () => {
    for (const expression of expressions) writeExpression(to, expression);
  });
  if (comment !== undefined) to.raw(RULE_USERDATA, commentOctets(comment));
}

/** Flags of a table: 1 it is dormant, 2 it has an owner, 4 it outlives its owner. */
export const parseTable = (from: Attributes): number => readFields(from, TABLE).flags ?? 0;

export interface FoundChain {
  readonly name: string;
  /** Undefined if it can't be said as a Chain: not one of ours. */
  readonly chain: Chain | undefined;
}

/** Undefined if it is in another table. */
export function parseChain(from: Attributes, table: string): FoundChain | undefined {
  const { table: its, name, hook: at, policy, type, flags = 0 } = readFields(from, CHAIN);
  if (its !== table || name === undefined) return undefined;
  if (flags & ~BASE_CHAIN) return { name, chain: undefined };
  if (at === undefined) return { name, chain: { name } };
  const { hook, priority } = at;
  const known = type === "nat" || type === "filter" || type === "route";
  if (!known || hook === undefined || priority === undefined || policy === undefined) return { name, chain: undefined };
  return { name, chain: { name, base: { type, hook, priority, policy } } };
}

export interface FoundSet {
  readonly name: string;
  /** It belongs to one rule. */
  readonly anonymous: boolean;
  /** Undefined if it can't be said as a NamedSet: not one of ours. */
  readonly set: NamedSet | undefined;
}

export function parseSet(from: Attributes, table: string): FoundSet | undefined {
  const { table: its, name, flags = 0, ...fields } = readFields(from, SET);
  if (its !== table || name === undefined) return undefined;
  const has = (flag: number): boolean => (flags & flag) === flag;
  const anonymous = has(OWN_FLAGS);
  const dynamic = has(DYNAMIC_FLAGS);
  const size = fields.size?.size ?? 0;
  const ranges = has(FLAG.concatenated | FLAG.interval);
  const ours =
    FLAG.interval |
    (has(FLAG.map) ? FLAG.map : FLAG.objects) |
    (ranges ? FLAG.concatenated : 0) |
    (anonymous ? OWN_FLAGS : 0) |
    (dynamic ? DYNAMIC_FLAGS : 0);
  const key = typesOf(fields.keyType, fields.keySize);
  const objects = has(FLAG.objects) ? COUNTERS[fields.objects ?? 0] : [];
  const value = has(FLAG.map) ? valueTypes(fields.valueType, fields.valueSize) : objects;
  const isInParts = has(FLAG.interval) ? fields.size?.parts === partsOf(key ?? []) : !ranges;
  if (key === undefined || value === undefined || !isInParts || flags & ~ours || (size > 0 && !dynamic && !anonymous))
    return { name, anonymous, set: undefined };
  const set: NamedSet = {
    name,
    key,
    ...(value.length > 0 && { value }),
    ...(has(FLAG.interval) && { interval: true }),
    ...(dynamic && { dynamic: { size, timeout: (fields.timeout ?? 0) / 1000 } }),
  };
  return { name, anonymous, set };
}

/** Of objects, by their kind: others are none of ours. */
const COUNTERS: Readonly<Partial<Record<number, "counter">>> = { [COUNTER]: "counter" };

const valueTypes = (type?: number, size?: number): readonly TypeName[] | "verdict" | undefined =>
  type === VERDICT.type ? "verdict" : typesOf(type, size);

const BY_ID = new Map(
  Object.entries(TYPES).flatMap(([name, { id }]: [string, { id?: number }]) =>
    id === undefined ? [] : [[id, name as TypeName]],
  ),
);

/** The kernel does not look whether number and size belong together: undefined if they do not. */
function typesOf(id = 0, size = 0): readonly TypeName[] | undefined {
  const types: TypeName[] = [];
  for (let rest = id; rest > 0; rest >>>= 6) {
    const type = BY_ID.get(rest & 63);
    if (type === undefined) return undefined;
    types.unshift(type);
  }
  return types.length > 0 && sizeOf(types) === size ? types : undefined;
}

/** A rule as the kernel has it. */
export interface FoundRule {
  readonly chain: string;
  readonly handle: number;
  readonly expressions: readonly Expression[];
  readonly comment: string | undefined;
}

export function parseRule(from: Attributes, table: string): FoundRule | undefined {
  const chain = from.text(RULE_CHAIN);
  if (from.text(RULE_TABLE) !== table || chain === undefined) return undefined;
  const expressions = parseExpressions(from.nested(RULE_EXPRESSIONS));
  const comment = commentIn(from.raw(RULE_USERDATA));
  return { chain, handle: from.be64(RULE_HANDLE) ?? 0, expressions, comment };
}

/** From nfgenmsg on. */
export const attributesOf = (message: Buffer): Attributes => parseAttributes(message.subarray(4));
