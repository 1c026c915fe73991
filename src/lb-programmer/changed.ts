/** What changed between two lists. Pure. */

/** Entry by entry: by key, and if both have one of it, by what else is in it. */
export function changed<T extends object>(
  actual: readonly T[],
  desired: readonly T[],
  keyOf: (entry: T) => string,
  same: (a: T, b: T) => boolean,
): Changed<T> {
  if (actual === desired || (actual.length === 0 && desired.length === 0)) return NOTHING;
  const [olds, news] = withoutCommon(actual, desired);
  return changedEntries(olds, news, keyOf, same);
}

/** The same of lists that have no object in common. */
export function changedEntries<T extends object>(
  olds: readonly T[],
  news: readonly T[],
  keyOf: (entry: T) => string,
  same: (a: T, b: T) => boolean,
): Changed<T> {
  if (olds.length === 0) return news.length === 0 ? NOTHING : { ...NOTHING, added: news };
  const out: { readonly [Kind in keyof Changed<T>]: T[] } = { added: [], replaced: [], removed: [] };
  const there = new Map<string, T>();
  for (const entry of olds) there.set(keyOf(entry), entry);
  for (const entry of news) {
    const key = keyOf(entry);
    const old = there.get(key);
    there.delete(key);
    if (old !== undefined && same(old, entry)) continue;
    out.added.push(entry);
    if (old !== undefined) out.replaced.push(old);
  }
  for (const entry of there.values()) out.removed.push(entry);
  return out;
}

export interface Changed<T> {
  /** Not there at all, or there with another value. */
  readonly added: readonly T[];
  /** Those other values: they must be removed before the new ones are added. */
  readonly replaced: readonly T[];
  readonly removed: readonly T[];
}

const NOTHING: Changed<never> = { added: [], replaced: [], removed: [] };

/**
 * What is left of two lists without the objects that are in both: of ten thousand services, mostly the one that changed. So that a
 * small change to a large state costs little, lists are cut like this before they are compared entry by entry.
 */
export function withoutCommon<T extends object>(a: readonly T[], b: readonly T[]): Difference<T> {
  if (a === b || (a.length === 0 && b.length === 0)) return NO_DIFFERENCE;
  const rest = told(a, b) ?? withoutEnds(a, b);
  let [olds, news] = rest;
  if (olds.length === 1 && news.length === 1 && olds[0] !== news[0]) return rest; // the rule
  if (olds.length === news.length) [olds, news] = [unlike(olds, news), unlike(news, olds)];
  return [without(olds, news), without(news, olds)];
}

/** What of one list is not in the one that it became, and the other way round. More is no mistake. */
export type Difference<T> = readonly [olds: readonly T[], news: readonly T[]];

/** Who makes a list from another knows what differs: said here, nobody has to look for it among ten thousand. */
export function tellDifference<T>(a: readonly T[], b: readonly T[], difference: Difference<T>): void {
  let from = notes.get(a);
  if (from === undefined) {
    from = { number: ++numbers, from: 0, difference: NO_DIFFERENCE };
    notes.set(a, from);
  }
  notes.set(b, { number: ++numbers, from: from.number, difference });
}

/** A list's number, and that of the list which it was made from; 0: it was made from none. */
interface Note {
  readonly number: number;
  readonly from: number;
  readonly difference: Difference<unknown>;
}

/**
 * Lists know each other by number, not by reference, a WeakRef included: V8 holds what a WeakRef leads to until it collects old objects.
 * So each list would keep the next one there, and each change of ten thousand services would leave a list of them behind.
 */
const notes = new WeakMap<readonly unknown[], Note>();
let numbers = 0;

function told<T extends object>(a: readonly T[], b: readonly T[]): Difference<T> | undefined {
  const note = notes.get(b);
  return note !== undefined && note.from === notes.get(a)?.number ? (note.difference as Difference<T>) : undefined;
}

const NO_DIFFERENCE: Difference<never> = [[], []];

function withoutEnds<T extends object>(a: readonly T[], b: readonly T[]): Difference<T> {
  const most = Math.min(a.length, b.length);
  let [start, end] = [0, 0];
  while (start < most && a[start] === b[start]) start++;
  while (end < most - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  return [a.slice(start, a.length - end), b.slice(start, b.length - end)];
}

/** Changes in place, the rule, leave everything else where it was. */
const unlike = <T>(entries: readonly T[], others: readonly T[]): T[] =>
  entries.filter((entry, i) => entry !== others[i]);

function without<T>(entries: readonly T[], others: readonly T[]): readonly T[] {
  if (entries.length === 0 || others.length === 0) return entries;
  if (others.length === 1) return entries.filter((entry) => entry !== others[0]); // one of thousands has changed
  const there = new Set(others);
  return entries.filter((entry) => !there.has(entry));
}
