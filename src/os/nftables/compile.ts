/**
 * From the statements of a rule to the kernel's expressions: the same ones, in the same registers, that nft makes of the text.
 *
 *   ip daddr vmap @local4   [ meta nfproto => 1 ] [ cmp eq 1 ipv4 ] [ payload 4 @ network + 16 => 1 ] [ lookup 1 @local4 => verdict ]
 */
import { octetsOf, sizeOf, TYPES, type TypeName } from "./datatype.ts";
import type { Expression } from "./expression.ts";
import type { Family } from "./message.ts";
import { known, type Selector } from "./selector.ts";
import type { Key, Mapped, Statement } from "./statement.ts";

/** Expressions that we write; a set without a name is one that exists for this rule alone. */
export type Compiled = Exclude<Expression, { kind: "unknown" | "byteorder" | "lookup" }> | Lookup;

interface Lookup extends Omit<Extract<Expression, { kind: "lookup" }>, "set" | "id"> {
  readonly set: string | OwnSet;
}

/** `{ tcp, udp }`; octets. */
export interface OwnSet {
  readonly type: TypeName;
  readonly values: readonly string[];
}

/** Throws an Error if a value is not of its type. */
export function compile(statements: readonly Statement[], family: Family = "inet"): readonly Compiled[] {
  const known = family === "inet" ? COMPILED.get(statements) : undefined;
  if (known !== undefined && known !== NOT_YET) return known;
  const facts: Facts = new Map(family === "inet" ? [] : [["meta nfproto", family === "ip" ? "ipv4" : "ipv6"]]);
  const made = statements.flatMap((statement) => compiled(statement, facts));
  if (known === NOT_YET) COMPILED.set(statements, made);
  return made;
}

/** These very rules are in many tables: each is compiled when it is needed first, and never again. */
export function compileOnce(rules: readonly (readonly Statement[])[]): void {
  for (const statements of rules) COMPILED.set(statements, NOT_YET);
}

const COMPILED = new WeakMap<readonly Statement[], readonly Compiled[]>();
const NOT_YET: readonly Compiled[] = [];

/** In the order of their octets, so that what is read can be compared. */
export const ownSet = (type: TypeName, values: readonly string[]): OwnSet => ({
  type,
  values: values.map((text) => octetsOf([type], text)).sort(),
});

/** What is certain of a packet that gets so far in the rule. */
type Facts = Map<Selector, string>;

function compiled(statement: Statement, facts: Facts): readonly Compiled[] {
  switch (statement.kind) {
    case "match":
      return match(statement.what, statement.is, statement.not === true, facts);
    case "marked":
      return [
        ...maskedMark(statement.bits, 0),
        { kind: "cmp", register: FIRST, op: "eq", value: bits(statement.mark) },
      ];
    case "set mark":
      return [...maskedMark(~statement.bits, statement.mark), { kind: "ct", key: "mark", from: FIRST }];
    case "one of":
      return oneOf(statement, facts);
    case "in set":
      return [...load(statement.key, facts), { kind: "lookup", set: statement.set, register: FIRST }];
    case "not in set":
      return [...load(statement.key, facts), { kind: "lookup", set: statement.set, register: FIRST, flags: OTHERS }];
    case "opens":
      return opens(facts);
    case "set meta mark":
      return [...looked(statement, facts), { kind: "meta", key: "mark", from: FIRST }];
    case "vmap":
      return [...load(statement.key, facts), { kind: "lookup", set: statement.map, register: FIRST, into: VERDICT }];
    case "nat":
      return nat(statement, facts);
    case "masquerade":
      return [{ kind: "masq" }];
    case "redirect":
      return [{ kind: "redir" }];
    case "counter":
      return [{ kind: "counter" }];
    case "count":
      return count(statement.counter, facts);
    case "reject":
      return [statement.with === "tcp reset" ? TCP_RESET : PORT_UNREACHABLE];
    case "update":
      return [...load(statement.key, facts), { kind: "dynset", set: statement.set, op: "update", key: FIRST }];
    case "verdict":
      return [{ kind: "immediate", register: VERDICT, verdict: statement.verdict }];
  }
}

const VERDICT = 0;
const FIRST = 1;
/** Of a lookup: what is not in the set. */
const OTHERS = 1;
const SECOND = 2;
const TCP_RESET = { kind: "reject", type: "tcp reset" } as const;
const PORT_UNREACHABLE = { kind: "reject", type: "icmpx", code: 1 } as const;

function match(what: Selector, is: string, not: boolean, facts: Facts): readonly Compiled[] {
  const { type } = known(what);
  if (is.includes("/")) return within(what, is, not, facts);
  const wanted = octetsOf([type], is);
  const loaded = load([what], facts);
  if (!not) facts.set(what, is);
  if (type !== "ct_status" && type !== "ct_state")
    return [...loaded, { kind: "cmp", register: FIRST, op: not ? "neq" : "eq", value: wanted }];
  const length = wanted.length;
  const nothing = "\0".repeat(length);
  return [
    ...loaded,
    { kind: "bitwise", from: FIRST, register: FIRST, length, mask: wanted, xor: nothing },
    { kind: "cmp", register: FIRST, op: not ? "eq" : "neq", value: nothing },
  ];
}

function oneOf({ what, values }: Extract<Statement, { kind: "one of" }>, facts: Facts): readonly Compiled[] {
  const set = ownSet(known(what).type, values);
  return [...load([what], facts), { kind: "lookup", set, register: FIRST }];
}

/** Of these flags, only that one. */
function opens(facts: Facts): readonly Compiled[] {
  const flag = (name: string): string => octetsOf(["tcp_flag"], name);
  const looked = ["fin", "syn", "rst", "ack"].reduce((sum, name) => sum | flag(name).charCodeAt(0), 0);
  return [
    ...load(["tcp flags"], facts),
    { kind: "bitwise", from: FIRST, register: FIRST, length: 1, mask: String.fromCharCode(looked), xor: "\0" },
    { kind: "cmp", register: FIRST, op: "eq", value: flag("syn") },
  ];
}

const bits = (number: number): string => octetsOf(["mark"], `${number >>> 0}`);

/** The connection's mark, of which some bits are kept and some are turned. */
const maskedMark = (mask: number, xor: number): readonly Compiled[] => [
  { kind: "ct", key: "mark", register: FIRST },
  { kind: "bitwise", from: FIRST, register: FIRST, length: 4, mask: bits(mask), xor: bits(xor) },
];

/** Of an address that begins like this one, only as many octets are looked at. */
function within(what: Selector, range: string, not: boolean, facts: Facts): readonly Compiled[] {
  const [address = "", bits] = range.split("/");
  const length = Number(bits) / 8;
  const loaded = load([what], facts);
  const last = loaded.at(-1)!;
  if (last.kind !== "payload" || !Number.isInteger(length) || length < 1 || length > last.length)
    throw new Error(
      `${what} ${range}: prefixes of addresses in packets can be matched, if they end between two octets`,
    );
  const value = octetsOf([known(what).type], address).slice(0, length);
  const cmp = { kind: "cmp", register: FIRST, op: not ? "neq" : "eq", value } as const;
  return [...loaded.slice(0, -1), { ...last, length }, cmp];
}

function count(counter: Extract<Statement, { kind: "count" }>["counter"], facts: Facts): readonly Compiled[] {
  if (typeof counter === "string") return [{ kind: "objref", type: "counter", name: counter }];
  return [...load(counter.key, facts), { kind: "objref", register: FIRST, set: counter.map }];
}

function nat({ type, family, to }: Extract<Statement, { kind: "nat" }>, facts: Facts): readonly Compiled[] {
  const done = { kind: "nat", type, family, address: FIRST } as const;
  const address = family === "ip" ? "ipv4_addr" : "ipv6_addr";
  if (typeof to === "string") return [{ kind: "immediate", register: FIRST, value: octetsOf([address], to) }, done];
  if ("address" in to)
    return [
      { kind: "immediate", register: FIRST, value: octetsOf([address], to.address) },
      { kind: "immediate", register: SECOND, value: octetsOf(["inet_service"], String(to.port)) },
      { ...done, port: SECOND },
    ];
  return [...looked(to, facts), to.port ? { ...done, port: register(sizeOf([address])) } : done];
}

const looked = ({ key, map }: Mapped, facts: Facts): readonly Compiled[] => [
  ...load(key, facts),
  { kind: "lookup", set: map, register: FIRST, into: FIRST },
];

/** Loads a key into the first register and those that follow. What it needs to be certain of comes first, if it is not. */
function load(key: readonly Key[], facts: Facts): readonly Compiled[] {
  const out = key.flatMap((part) =>
    needed(typeof part === "string" ? part : "jhash" in part ? part.jhash : undefined, facts),
  );
  let octets = 0;
  for (const part of key) {
    out.push(...loaded(part, register(octets)));
    octets += (sizeOfKey(part) + 3) & ~3;
  }
  return out;
}

function needed(selector: Selector | undefined, facts: Facts): Compiled[] {
  const needs = selector === undefined ? undefined : known(selector).needs;
  return (needs ?? []).flatMap(([what, is]) => (facts.get(what) === is ? [] : match(what, is, false, facts)));
}

function loaded(part: Key, into: number): readonly Compiled[] {
  if (typeof part === "string") return [{ ...known(part).load, register: into } as Compiled];
  const { mod, offset } = part;
  if ("numgen" in part) return [{ kind: "numgen", mode: part.numgen, mod, offset, register: into }];
  const length = TYPES[known(part.jhash).type].size;
  return [
    { ...known(part.jhash).load, register: SECOND } as Compiled,
    { kind: "hash", from: SECOND, length, mod, seed: part.seed, offset, register: into },
  ];
}

const sizeOfKey = (part: Key): number => (typeof part === "string" ? TYPES[known(part).type].size : TYPES.number.size);

/** The register that begins so many octets after the first. */
const register = (octets: number): number => (octets % 16 === 0 ? FIRST + octets / 16 : 8 + octets / 4);
