/** Ranges as keys of interval sets: "10.0.1.0/24", "80-90", "10.0.0.1", "tcp . 80-90". Of types whose octets are in network order: so they sort. */
import { octetsOf, padded, sizeOf, TYPES, type TypeName, textOf } from "./datatype.ts";

/** First and last key. Throws an Error if the text is no range of this type. */
export function rangeOf(types: readonly TypeName[], text: string): readonly [first: string, last: string] {
  const wrong = () => new Error(`"${text}" is no range of ${types.join(" . ")}`);
  if (types.length !== 1 || TYPES[types[0]!].host) throw wrong();
  const [, from = text, length, to] = /^([^/-]+)(?:\/(\d+)|-(.+))$/.exec(text) ?? [];
  const first = octetsOf(types, from);
  if (length === undefined) return [first, to === undefined ? first : octetsOf(types, to)];
  const last = filled(first, Number(length));
  if (Number(length) > 8 * first.length || prefixOf(first, last) !== Number(length)) throw wrong();
  return [first, last];
}

/** The range from one key up to, and without, another; without that one: up to the last key there is. */
export function rangeText(types: readonly TypeName[], first: string, after: string | undefined): string | undefined {
  return textBetween(types, first, after === undefined ? "\xff".repeat(first.length) : before(after));
}

/** First and last key of a concatenation, each part of which is a range. Throws an Error if the text is none of these types. */
export function rangesOf(types: readonly TypeName[], text: string): readonly [first: string, last: string] {
  const parts = text.split(" . ");
  if (parts.length !== types.length) throw new Error(`"${text}" is no range of ${types.join(" . ")}`);
  const ranges = types.map((type, i) => rangeOf([type], parts[i]!));
  return [ranges.map(([first]) => padded(first)).join(""), ranges.map(([, last]) => padded(last)).join("")];
}

/** Undefined if it is none of these types. */
export function rangesText(types: readonly TypeName[], first: string, last: string): string | undefined {
  if (first.length !== sizeOf(types) || last.length !== first.length) return undefined;
  let at = 0;
  const parts = types.map((type) => {
    const [start, end] = [at, at + TYPES[type].size];
    at += padded(first.slice(start, end)).length;
    return textBetween([type], first.slice(start, end), last.slice(start, end));
  });
  return parts.includes(undefined) ? undefined : parts.join(" . ");
}

function textBetween(types: readonly TypeName[], first: string, last: string): string | undefined {
  const [from, to] = [textOf(types, first), textOf(types, last)];
  if (from === undefined || to === undefined) return undefined;
  if (first === last) return from;
  const prefix = types[0] === "ipv4_addr" || types[0] === "ipv6_addr" ? prefixOf(first, last) : undefined;
  return prefix === undefined ? `${from}-${to}` : `${from}/${prefix}`;
}

/** The next key; undefined after the last. */
export function next(key: string): string | undefined {
  const trailing = /\xff*$/.exec(key)![0].length;
  const at = key.length - trailing - 1;
  if (at < 0) return undefined;
  return key.slice(0, at) + String.fromCharCode(key.charCodeAt(at) + 1) + "\0".repeat(trailing);
}

function before(key: string): string {
  const trailing = /\0*$/.exec(key)![0].length;
  const at = key.length - trailing - 1;
  if (at < 0) return key;
  return key.slice(0, at) + String.fromCharCode(key.charCodeAt(at) - 1) + "\xff".repeat(trailing);
}

/** The key with all bits behind the first so many set. */
const filled = (octets: string, bits: number): string =>
  [...octets]
    .map((c, i) => String.fromCharCode(c.charCodeAt(0) | (255 >> Math.max(0, Math.min(8, bits - 8 * i)))))
    .join("");

/** How many bits two keys share, if the first goes on with zeros and the last with ones. */
function prefixOf(first: string, last: string): number | undefined {
  let bits = 0;
  while (bits < 8 * first.length && bitOf(first, bits) === bitOf(last, bits)) bits++;
  for (let i = bits; i < 8 * first.length; i++) if (bitOf(first, i) !== 0 || bitOf(last, i) !== 1) return undefined;
  return bits;
}

const bitOf = (octets: string, i: number): number => (octets.charCodeAt(i >> 3) >> (7 - (i & 7))) & 1;
