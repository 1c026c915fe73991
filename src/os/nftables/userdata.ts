/**
 * What the kernel keeps for nft beside an object without looking at it: type 1, length 1, value, one after the other.
 *
 *   of rules and elements   0 comment (text with NUL)
 *   of sets                 0 and 1 order of octets of keys and values, le32 (1 the machine's, 2 network, 0 concatenation or verdict),
 *                           3 and 4 the expressions that keys and values come from, for types without a name
 */
import { TYPES, type TypeName } from "./datatype.ts";
import type { NamedSet } from "./types.ts";

/** Throws an Error if the text is longer than nft's. */
export function commentOctets(comment: string): string {
  const octets = `${/^[\0-\x7f]*$/.test(comment) ? comment : Buffer.from(comment).toString("latin1")}\0`;
  if (octets.length > LONGEST) throw new Error(`a comment of ${octets.length - 1} octets: ${LONGEST - 1} are possible`);
  return String.fromCharCode(COMMENT, octets.length) + octets;
}

export function commentIn(userdata: Buffer | undefined): string | undefined {
  if (userdata === undefined) return undefined;
  for (let at = 0; at + 2 <= userdata.length; at += 2 + userdata[at + 1]!) {
    if (userdata[at] !== COMMENT) continue;
    const value = userdata.subarray(at + 2, at + 2 + userdata[at + 1]!);
    const end = value.indexOf(0);
    return value.toString("utf8", 0, end < 0 ? value.length : end);
  }
  return undefined;
}

const COMMENT = 0;
const LONGEST = 128;

/** Without it nft would take some numbers for others when it lists the set. */
export function setUserdata({ key, value: of }: NamedSet): string {
  const value = of === "counter" ? undefined : of; // nothing that has an order
  const data = value === undefined ? [] : value === "verdict" ? (["verdict"] as const) : value;
  const fields = [`\0\x04${orderOf(key)}`, ...(value === undefined ? [] : [`\x01\x04${orderOf(data)}`])];
  if ([...key, ...data].includes("number")) {
    fields.push(`\x03${counted(SOURCES[key[0]!] ?? "")}`);
    if (value !== undefined) fields.push(`\x04${counted(SOURCES[data[0]!] ?? "")}`);
  }
  return fields.join("");
}

function orderOf(types: readonly (TypeName | "verdict")[]): string {
  const [type, more] = types;
  if (type === undefined || type === "verdict" || more !== undefined) return "\0\0\0\0";
  return TYPES[type].host ? "\x01\0\0\0" : "\x02\0\0\0";
}

/** nft's expressions: 0 their kind, 1 what belongs to it. `numgen inc mod 2`, `ip daddr`, `ip6 daddr`, a verdict. */
const SOURCES: Readonly<Partial<Record<TypeName | "verdict", string>>> = {
  number: source(23, [0, 2, 0]),
  ipv4_addr: source(7, [12, 12]),
  ipv6_addr: source(7, [13, 9]),
  verdict: source(1, []),
};

function source(kind: number, numbers: readonly number[]): string {
  const inner = numbers.map((number, type) => field(type, le32(number))).join("");
  return field(0, le32(kind)) + field(1, inner);
}

function field(type: number, value: string): string {
  return String.fromCharCode(type) + counted(value);
}

function counted(value: string): string {
  return String.fromCharCode(value.length) + value;
}

function le32(value: number): string {
  return String.fromCharCode(value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24);
}
