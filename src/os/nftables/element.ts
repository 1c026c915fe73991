/**
 * Elements of sets and maps.
 *
 *   list 3 of 1 { key 1, data 2 (of maps), flags 3 (1: end of an interval), comment 6, counter 9 (its name), last key 10 }
 *
 * An interval is two elements: its first key with what belongs to it, and the key after its last with the flag. One that goes up
 * to the last key there is has no end. One of concatenations is one element, which has its last key in it.
 */
import { type Attributes, attributesIn, parseAttributes } from "../netlink/read.ts";
import type { MessageWriter } from "../netlink/write.ts";
import { octetsOf, textOf } from "./datatype.ts";
import { type Verdict, value, verdict } from "./layout.ts";
import { next, rangeOf, rangesOf, rangesText, rangeText } from "./range.ts";
import type { Element, NamedSet } from "./types.ts";
import { commentIn, commentOctets } from "./userdata.ts";

const LIST = 3;
const ELEMENT = { key: 1, data: 2, flags: 3, comment: 6, counter: 9, last: 10 } as const;
/** Elements may have more, a limit say. 8 is padding. */
const ORDINARY: ReadonlySet<number> = new Set([1, 2, 3, 6, 8]);
const WITH_LAST: ReadonlySet<number> = new Set([...ORDINARY, ELEMENT.last]);
const COUNTING: ReadonlySet<number> = new Set([...ORDINARY, ELEMENT.counter]);
const COUNTING_WITH_LAST: ReadonlySet<number> = new Set([...COUNTING, ELEMENT.last]);
const INTERVAL_END = 1;

/** The list of a message. Throws an Error if a text is not of the set's types. */
export function writeElements(to: MessageWriter, set: NamedSet, elements: readonly Element[]): void {
  const list = to.open();
  for (const element of elements) writeElement(to, set, element);
  to.close(list, LIST);
}

/** Keys and nothing else, as octets. */
export function writeOwnElements(to: MessageWriter, keys: readonly string[]): void {
  const list = to.open();
  for (const key of keys) {
    const at = to.open();
    value.write(to, ELEMENT.key, key);
    to.close(at, 1);
  }
  to.close(list, LIST);
}

function writeElement(to: MessageWriter, set: NamedSet, { key, value: data, comment }: Element): void {
  const [first, last] = set.interval ? rangeIn(set, key) : [octetsOf(set.key, key)];
  const at = to.open();
  value.write(to, ELEMENT.key, first);
  if (last !== undefined && isConcatenated(set)) value.write(to, ELEMENT.last, last);
  if (data !== undefined) writeValue(to, set, data);
  if (comment !== undefined) to.raw(ELEMENT.comment, commentOctets(comment));
  to.close(at, 1);
  const end = last === undefined || isConcatenated(set) ? undefined : next(last);
  if (end === undefined) return;
  const after = to.open();
  value.write(to, ELEMENT.key, end);
  to.be32(ELEMENT.flags, INTERVAL_END).close(after, 1);
}

/** Its elements are ranges in some of their parts. */
const isConcatenated = ({ interval, key }: NamedSet): boolean => interval === true && key.length > 1;

const rangeIn = (set: NamedSet, key: string): readonly [first: string, last: string] =>
  isConcatenated(set) ? rangesOf(set.key, key) : rangeOf(set.key, key);

function writeValue(to: MessageWriter, set: NamedSet, text: string): void {
  if (set.value === "verdict") verdict.write(to, ELEMENT.data, text as Verdict);
  else if (set.value === "counter") to.text(ELEMENT.counter, text);
  else value.write(to, ELEMENT.data, octetsOf(set.value ?? [], text));
}

/** As they come, with keys as octets. */
export interface RawElement extends Element {
  /** Where an interval ends, and nothing else. */
  readonly end: boolean;
  /** Of a range of concatenations. */
  readonly last: string | undefined;
}

/** The list in a message, from nfgenmsg's end on. */
export const parseElements = (message: Buffer, set: NamedSet): readonly RawElement[] =>
  parseAttributes(message)
    .nested(LIST)
    .entries()
    .map((entry) => parseElement(entry, set));

function parseElement(from: Attributes, set: NamedSet): RawElement {
  const last = isConcatenated(set) ? value.read(from, ELEMENT.last) : undefined;
  const [alone, ranged] = set.value === "counter" ? [COUNTING, COUNTING_WITH_LAST] : [ORDINARY, WITH_LAST];
  const isPlain = from.hasOnly(last === undefined ? alone : ranged);
  const key = (isPlain ? value.read(from, ELEMENT.key) : undefined) ?? "";
  const end = ((from.be32(ELEMENT.flags) ?? 0) & INTERVAL_END) !== 0;
  return { key, last, end, value: readValue(from, set), comment: commentIn(from.raw(ELEMENT.comment)) };
}

function readValue(from: Attributes, set: NamedSet): string | undefined {
  if (set.value === undefined) return undefined;
  if (set.value === "verdict") return verdict.read(from, ELEMENT.data);
  if (set.value === "counter") return from.text(ELEMENT.counter);
  const octets = value.read(from, ELEMENT.data);
  return octets === undefined ? undefined : textOf(set.value, octets);
}

/** All of a set, from all of its messages, as they would be written. What we would not write has the key "?". */
export function elementsOf(set: NamedSet, raw: readonly RawElement[]): readonly Element[] {
  const named = ({ value, comment }: RawElement, key = "?"): Element => ({ key, value, comment });
  if (!set.interval) return raw.map((element) => named(element, textOf(set.key, element.key)));
  if (isConcatenated(set))
    return raw.map((element) => named(element, rangesText(set.key, element.key, element.last ?? "")));
  const sorted = raw.toSorted((a, b) => (a.key === b.key ? Number(b.end) - Number(a.end) : a.key < b.key ? -1 : 1));
  return sorted.flatMap((element, i) =>
    element.end ? [] : [named(element, rangeText(set.key, element.key, sorted[i + 1]?.key))],
  );
}

/** Which element of a message (from nlmsghdr on) is at these octets, ends of intervals not counted; undefined: none. */
export function elementAt(message: Buffer, offset: number): number | undefined {
  const list = parseAttributes(message.subarray(HEADERS)).raw(LIST);
  let number = -1;
  for (const [, entry] of attributesIn(list ?? Buffer.alloc(0))) {
    if (((parseAttributes(entry).be32(ELEMENT.flags) ?? 0) & INTERVAL_END) === 0) number++;
    const start = entry.byteOffset - message.byteOffset;
    if (offset < start + entry.length) return offset < start - ATTRIBUTE ? undefined : number;
  }
  return undefined;
}

/** Octets of nlmsghdr and nfgenmsg, and of an attribute's header. */
const HEADERS = 20;
const ATTRIBUTE = 4;
