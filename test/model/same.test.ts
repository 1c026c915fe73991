import { isDeepStrictEqual } from "node:util";
import { expect, test } from "vitest";
import { same } from "../../src/model/same.ts";

test.each<[what: string, a: unknown, b: unknown, same: boolean]>([
  ["numbers", 1, 1, true],
  ["what is no number", Number.NaN, Number.NaN, true],
  ["a text and a number", "1", 1, false],
  ["nothing and no field", undefined, null, false],
  ["lists", [1, [2]], [1, [2]], true],
  ["a list and the beginning of it", [1, 2], [1], false],
  ["a list and more of it", [1], [1, 2], false],
  ["fields in another order", { a: 1, b: { c: 2 } }, { b: { c: 2 }, a: 1 }, true],
  ["a field more", { a: 1 }, { a: 1, b: 2 }, false],
  ["a field less", { a: 1, b: 2 }, { a: 1 }, false],
  ["as many fields of other names", { a: 1 }, { b: 1 }, false],
  ["a field that says undefined and none", { a: undefined }, {}, false],
  ["deep down", { rules: [[{ kind: "nat", to: { mod: 3 } }]] }, { rules: [[{ kind: "nat", to: { mod: 4 } }]] }, false],
])("%s", (_, a, b, expected) => {
  expect(same(a, b)).toBe(expected);
  expect(isDeepStrictEqual(a, b), "as node has it").toBe(expected);
});
