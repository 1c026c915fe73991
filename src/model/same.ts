/** Whether two plain objects say the same. By hand: it is asked at each change, and lists of keys would be made for each part of both. */

export function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  let more = 0;
  for (const _ in b) more++;
  for (const key in a) {
    if (!Object.hasOwn(b, key)) return false;
    if (!same((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key])) return false;
    more--;
  }
  return more === 0;
}
