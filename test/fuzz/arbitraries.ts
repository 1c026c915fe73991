/** Octets that are nearly right. */
import fc from "fast-check";

/** A well-formed input with some of its octets changed, cut off, doubled or added. */
export function damaged(well: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const damage = fc.record({
    kind: fc.constantFrom("set", "cut", "insert", "repeat"),
    at: fc.nat(65_535),
    octet: fc.nat(255),
    length: fc.nat(40),
  });
  return fc.tuple(well, fc.array(damage, { maxLength: 4 })).map(([octets, all]) => {
    let out = Buffer.from(octets);
    for (const { kind, at, octet, length } of all) {
      if (out.length === 0) break;
      const i = at % out.length;
      if (kind === "set") out[i] = octet;
      else if (kind === "cut") out = out.subarray(0, i);
      else if (kind === "insert")
        out = Buffer.concat([out.subarray(0, i), Buffer.alloc(length, octet), out.subarray(i)]);
      else out = Buffer.concat([out.subarray(0, i), out.subarray(i, i + length), out.subarray(i)]);
    }
    return out;
  });
}

/** Text as octets. */
export const text = (lines: fc.Arbitrary<string>): fc.Arbitrary<Uint8Array> => lines.map((s) => Buffer.from(s, "utf8"));

/** A text in which some of what `words` matches is something else. */
export function swapped(well: fc.Arbitrary<string>, words: RegExp, others: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.tuple(well, fc.array(fc.tuple(fc.nat(), others), { maxLength: 3 })).map(([all, swaps]) => {
    let out = all;
    for (const [which, other] of swaps) {
      const found = [...out.matchAll(words)];
      const match = found[which % Math.max(1, found.length)];
      if (match !== undefined) out = out.slice(0, match.index) + other + out.slice(match.index + match[0].length);
    }
    return out;
  });
}
