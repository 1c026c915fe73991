/** What changed between two lists. Pure. */

/** Entry by entry: by key, and if both have one of it, by what else is in it. */
export function changed<T extends object>(
  actual: readonly T[],
  desired: readonly T[],
  keyOf: (entry: T) => string,
  same: (a: T, b: T) => boolean,
): Changed<T> {
  const out: Changed<T> = { added: [], replaced: [], removed: [] };
  const [olds, news] = withoutCommon(actual, desired);
  if (olds.length === 0) return { added: [...news], replaced: [], removed: [] };
  const there = new Map(olds.map((entry) => [keyOf(entry), entry]));
  for (const entry of news) {
    const key = keyOf(entry);
    const old = there.get(key);
    there.delete(key);
    if (old !== undefined && same(old, entry)) continue;
    out.added.push(entry);
    if (old !== undefined) out.replaced.push(old);
  }
  out.removed.push(...there.values());
  return out;
}

interface Changed<T> {
  /** Not there at all, or there with another value. */
  added: T[];
  /** Those other values: they must be removed before the new ones are added. */
  replaced: T[];
  removed: T[];
}

/**
 * What is left of two lists without the objects that are in both: of ten thousand services, mostly the one that changed. So that a
 * small change to a large state costs little, lists are cut like this before they are compared entry by entry.
 */
export function withoutCommon<T extends object>(a: readonly T[], b: readonly T[]): [readonly T[], readonly T[]] {
  if (a === b) return [[], []];
  let [olds, news] = told(a, b) ?? withoutEnds(a, b);
  if (olds.length === news.length) [olds, news] = [unlike(olds, news), unlike(news, olds)];
  return [without(olds, news), without(news, olds)];
}

/** What of one list is not in the one that it became, and the other way round. More is no mistake. */
export type Difference<T> = readonly [olds: readonly T[], news: readonly T[]];

/** Who makes a list from another knows what differs: said here, nobody has to look for it among ten thousand. */
export function tellDifference<T>(a: readonly T[], b: readonly T[], difference: Difference<T>): void {
  became.set(a, { next: new WeakRef(b), difference });
}

/** By the older list. Whoever holds on to that one keeps none of those alive that came after it. */
const became = new WeakMap<
  readonly unknown[],
  { next: WeakRef<readonly unknown[]>; difference: Difference<unknown> }
>();

function told<T extends object>(a: readonly T[], b: readonly T[]): Difference<T> | undefined {
  const known = became.get(a);
  return known?.next.deref() === b ? (known.difference as Difference<T>) : undefined;
}

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
  const there = new Set(others);
  return entries.filter((entry) => !there.has(entry));
}
