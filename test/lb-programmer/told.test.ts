/** Who says what differs between two lists does not keep them: else each change of a large state would leave a list behind. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { tellDifference, withoutCommon } from "../../src/lb-programmer/changed.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as (options: { readonly type: "minor" }) => void;

test("what was told of two lists is believed, of these two only", () => {
  const [one, two, three] = ["1", "2", "3"].map((id) => ({ id }));
  const [a, b, c] = [
    [one, two],
    [one, two],
    [one, three],
  ].map((list) => list.map((entry) => entry!));
  tellDifference(a!, b!, [[two], [two]]); // nothing differs, and more is no mistake
  tellDifference(b!, c!, [[two!], [three!]]);
  expect(withoutCommon(b!, c!)).toEqual([[two], [three]]);
  expect(withoutCommon(a!, c!)).toEqual([[two], [three]]); // looked for
  expect(withoutCommon(c!, b!)).toEqual([[three], [two]]);
});

test("lists that have had their time are collected with what is young", () => {
  const [lists, entries] = [500, 1_000];
  let list: readonly object[] = Array.from({ length: entries }, () => ({}));
  for (let i = 0; i < 3; i++) collect({ type: "minor" }); // the first one is old from here on
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < lists; i++) {
    const next = [...list];
    tellDifference(list, next, [[], []]);
    list = next;
  }
  for (let i = 0; i < 3; i++) collect({ type: "minor" });
  const octets = 8 * lists * entries;
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(octets / 4);
  expect(list).toHaveLength(entries);
});
