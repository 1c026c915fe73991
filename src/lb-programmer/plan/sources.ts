/** Who may reach a published port, as a kernel's set of ranges holds it. Pure. */
import { addressText, parseCidr } from "../../model/address.ts";

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
    .sort((a, b) => a.bits - b.bits);
  if (ranges[0]?.bits === 0) return undefined;
  const kept = new Set<string>();
  for (const { base, bits } of ranges) if (!within(kept, base, bits)) kept.add(`${addressText(base)}/${bits}`);
  return [...kept];
}

/** One of the wider ones holds it, or it is there already. */
function within(kept: ReadonlySet<string>, base: string, bits: number): boolean {
  let octets = [...base].map((c) => c.charCodeAt(0));
  for (let n = bits; n > 0; n--) {
    const at = n >> 3;
    octets = octets.map((octet, i) => (i === at ? octet & (0xff00 >> (n & 7)) & 0xff : octet));
    if (kept.has(`${addressText(String.fromCharCode(...octets))}/${n}`)) return true;
  }
  return false;
}
