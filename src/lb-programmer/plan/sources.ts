/** Who may reach a published port, as a kernel's set of ranges holds it. Pure. */
import { type Cidr, cidrsOverlap, cidrText, parseCidr } from "../../model/address.ts";

type Ranges = readonly string[] | undefined;

/**
 * Of these addresses and ranges those of one family, all as ranges and none within another, which interval sets refuse; empty if
 * there are none of that family. Undefined: anybody may come.
 */
export function sourcesIn(family: 4 | 6, sources: Ranges): Ranges {
  if (sources === undefined) return undefined;
  const known = found.get(sources) ?? { 4: rangesIn(4, sources), 6: rangesIn(6, sources) };
  found.set(sources, known);
  return known[family];
}

/** Ports of one range share their list, and it stays the same as long as their service does. */
const found = new WeakMap<readonly string[], Readonly<Record<4 | 6, Ranges>>>();

function rangesIn(family: 4 | 6, sources: readonly string[]): Ranges {
  const most = family === 4 ? 32 : 128;
  const ranges = sources
    .flatMap((text) => parseCidr(text) ?? parseCidr(`${text}/${most}`) ?? [])
    .filter((range) => range.family === family)
    .sort(byPlace);
  if (ranges[0]?.bits === 0) return undefined;
  const kept: Cidr[] = [];
  for (const range of ranges) if (kept.length === 0 || !cidrsOverlap(kept.at(-1)!, range)) kept.push(range);
  return kept.map(cidrText);
}

/** Wider ones first where both begin: as ranges lie in one another or apart, what is within any other is within the last one kept. */
const byPlace = (a: Cidr, b: Cidr): number => (a.base === b.base ? a.bits - b.bits : a.base < b.base ? -1 : 1);
