/** Which subnets overlap, and which is free: the index of ranges says what looking at every network does. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Cidr, cidrsOverlap, cidrText, parseCidr } from "../../src/model/address.ts";
import type { ChangeInput } from "../../src/model/input.ts";
import { Ranges } from "../../src/registry/ranges.ts";
import { Registry } from "../../src/registry/registry.ts";

/** Few enough to meet: 10.0.x.0 up to a /28, around 10.0.0.0/8 and beside it, and some of IPv6. */
const cidr = fc
  .oneof(
    fc
      .tuple(fc.integer({ min: 0, max: 4095 }), fc.integer({ min: 20, max: 28 }))
      .map(([n, bits]): [string, number] => [String.fromCharCode(10, 0, n >> 8, (n << 4) & 255), bits]),
    fc.constantFrom<[string, number]>(["\x0a\0\0\0", 8], ["\x08\0\0\0", 6], ["\x09\xff\0\0", 16], ["\x0b\0\0\0", 8]),
    fc
      .tuple(fc.integer({ min: 0, max: 15 }), fc.integer({ min: 120, max: 126 }))
      .map(([n, bits]): [string, number] => [`\xfd${"\0".repeat(14)}${String.fromCharCode(n << 4)}`, bits]),
  )
  .map(([octets, bits]): Cidr => ({ base: masked(octets, bits), bits, family: octets.length === 4 ? 4 : 6 }));

const masked = (octets: string, bits: number): string =>
  [...octets]
    .map((c, i) => String.fromCharCode(c.charCodeAt(0) & (0xff00 >> Math.min(8, Math.max(0, bits - i * 8))) & 255))
    .join("");

/** Networks a to f come with these subnets (none: a free one), or go (undefined). */
const step = fc.record({ name: fc.constantFrom(..."abcdef"), subnets: fc.option(fc.array(cidr, { maxLength: 3 })) });

const changeOf = ({ name, subnets }: { name: string; subnets: readonly Cidr[] | null }): ChangeInput =>
  subnets === null
    ? { kind: "network.remove", id: name }
    : { kind: "network.put", network: { name, subnets: subnets.map((c) => ({ cidr: cidrText(c) })) } };

test("whatever comes, goes, changes or is refused", () => {
  fc.assert(
    fc.property(fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { maxLength: 12 }), (batches) => {
      const registry = new Registry();
      let expected = new Map<string, readonly Cidr[]>();
      for (const batch of batches) {
        const next = plainly(expected, batch);
        const apply = () => registry.apply(batch.map(changeOf));
        if (next === undefined) expect(apply).toThrow(/overlaps network|no free/);
        else apply();
        expected = next ?? expected;
        const found = [...registry.state.networks].map(([id, n]) => [id, n.subnets.map((s) => s.cidr)]);
        expect(found.sort()).toEqual([...expected].map(([id, cidrs]) => [id, cidrs.map(cidrText)]).sort());
      }
    }),
    { numRuns: 500 },
  );
});

/** The same by looking at every network each time; undefined if the batch is refused. */
function plainly(
  before: ReadonlyMap<string, readonly Cidr[]>,
  batch: readonly { readonly name: string; readonly subnets: readonly Cidr[] | null }[],
): Map<string, readonly Cidr[]> | undefined {
  const state = new Map(before);
  const asked = batch.flatMap(({ subnets }) => subnets ?? []);
  for (const { name, subnets } of batch) {
    if (subnets === null) {
      state.delete(name);
      continue;
    }
    const own =
      subnets.length > 0 ? subnets : (state.get(name) ?? freeBeside([...state.values()].flat().concat(asked)));
    if (own === undefined) return undefined;
    const others = [...state].flatMap(([id, cidrs]) => (id === name ? [] : cidrs));
    if (own.some((c, i) => [...others, ...own.slice(0, i)].some((o) => cidrsOverlap(c, o)))) return undefined;
    state.set(name, own);
  }
  return state;
}

function freeBeside(taken: readonly Cidr[]): readonly Cidr[] | undefined {
  if (taken.some((c) => c.family === 4 && c.bits <= 8 && cidrsOverlap(c, parseCidr("10.0.0.0/8")!))) return undefined;
  for (let n = 0; n < 65_536; n++) {
    const free: Cidr = { base: String.fromCharCode(10, n >> 8, n & 255, 0), bits: 24, family: 4 };
    if (!taken.some((c) => cidrsOverlap(c, free))) return [free];
  }
  throw new Error("so few ranges can't take them all");
}

const range = (text: string): Cidr => parseCidr(text)!;

test.each([
  ["10.0.0.0/16", "a", true],
  ["10.0.0.0/16", "c", true],
  ["10.0.1.0/24", "a", false],
  ["10.0.1.0/24", "b", true],
  ["10.0.3.0/24", "a", false],
  ["11.5.0.0/16", "b", true],
  ["b01::/16", "a", true],
])("an address of %s is somebody else's than %s's: %s", (asked, owner, expected) => {
  const ranges = new Ranges();
  ranges.add(range("11.0.0.0/8"), "a");
  ranges.add(range("b00::/14"), "b"); // between the two as octets
  ranges.add(range("10.0.2.0/24"), "b");
  ranges.add(range("10.0.1.0/24"), "a");
  expect(ranges.overlap(range(asked), owner)).toBe(expected);
});

test("what is free although it was not for another batch is found again", () => {
  const [ranges, asked] = [new Ranges(), new Ranges()];
  ranges.add(range("10.0.1.0/24"), "a");
  asked.cover(range("10.0.0.0/24"));
  expect(cidrText(ranges.free(asked)!)).toBe("10.0.2.0/24");
  expect(cidrText(ranges.free(new Ranges())!)).toBe("10.0.0.0/24");
});

test("a range takes the place of all that it covers", () => {
  const ranges = new Ranges();
  for (const text of ["10.0.5.0/24", "10.0.7.0/24", "10.0.0.0/16", "10.0.8.0/24"]) ranges.cover(range(text));
  expect(["10.0.9.0/24", "10.1.0.0/24"].map((text) => ranges.overlap(range(text), "a"))).toEqual([true, false]);
});

test("of what may overlap, the widest stays", () => {
  fc.assert(
    fc.property(fc.array(cidr, { maxLength: 20 }), cidr, (covered, asked) => {
      const ranges = new Ranges();
      for (const one of covered) ranges.cover(one);
      expect(ranges.overlap(asked, "anybody")).toBe(covered.some((one) => cidrsOverlap(one, asked)));
    }),
  );
});

test("four thousand subnets, asked for or given, take less than a second", () => {
  const names = Array.from({ length: 4_000 }, (_, i) => ({ name: `n${i}`, cidr: `10.${i >> 8}.${i & 255}.0/24` }));
  const batches: readonly (readonly ChangeInput[])[] = [
    names.map(({ name, cidr: text }) => ({ kind: "network.put", network: { name, subnets: [{ cidr: text }] } })),
    names.map(({ name }) => ({ kind: "network.put", network: { name } })),
    names.map(({ name }, i) => ({
      kind: "network.put",
      network: { name, subnets: i % 2 ? [{ cidr: `10.${128 + (i >> 8)}.${i & 255}.0/24` }] : [] },
    })),
    [{ kind: "network.put", network: { name: "one", subnets: names.map(({ cidr: text }) => ({ cidr: text })) } }],
  ];
  for (const batch of batches) {
    const registry = new Registry();
    const begin = process.cpuUsage(); // the time that it takes, not the time that others on a busy machine take
    registry.apply(batch);
    const { user, system } = process.cpuUsage(begin);
    console.log(`registry: ${batch.length} networks in ${((user + system) / 1_000).toFixed(0)} ms`);
    expect((user + system) / 1_000).toBeLessThan(1_000); // a fifth of it on a machine with nothing else to do
  }
});

test.each([
  ["the last one", 65_535, "10.255.255.0/24"],
  ["none", 65_536, undefined],
])("when so many /24s are taken, what is left: %s", (_, count, left) => {
  const ranges = new Ranges();
  for (let n = 0; n < count; n++)
    ranges.cover({ base: String.fromCharCode(10, n >> 8, n & 255, 0), bits: 24, family: 4 });
  const free = ranges.free(new Ranges());
  expect(free && cidrText(free)).toBe(left);
});
