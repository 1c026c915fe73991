/** Zones for benchmarks, made without the registry. */
import { addressBytes } from "../src/model/address.ts";
import { nameKey } from "../src/model/name.ts";
import { subnetText } from "../src/scoping/reverse.ts";
import type { Zone } from "../src/scoping/scope.ts";
import { type RRSet, rrset } from "../src/wire/rrset.ts";

/** A sandbox that has nothing set. */
export const PLAIN = {
  id: "s",
  upstreams: [],
  internal: false,
  ndots: false,
  subnets: [subnetText(24, "\x0a\0\x01\0")],
  compat: "none",
} as const;

const sets = new Map<number, RRSet>();

/** An A set of n addresses; one object for each n. */
export function addresses(n: number): RRSet {
  const known =
    sets.get(n) ??
    rrset(
      1,
      5,
      Array.from({ length: n }, (_, i) => addressBytes(`10.1.${i >> 8}.${i & 255}`)!),
    );
  sets.set(n, known);
  return known;
}

export function zoneOf(names: readonly (readonly [name: string, addresses: number])[]): Zone {
  const entries = names.map(
    ([name, n]) => [nameKey(name), { a: addresses(n), aaaa: undefined, others: undefined, service: false }] as const,
  );
  return { suffix: nameKey("mynet"), names: new Map(entries), wildcards: 0, above: undefined };
}
