import { expect, test } from "vitest";
import { Marks } from "../../src/lb-programmer/marks.ts";

test("from 256 up, the same for the same key", () => {
  const marks = new Marks();
  expect(["a", "b", "a", "c"].map((key) => marks.of(key))).toEqual([256, 257, 256, 258]);
});

test("the lowest free one comes first", () => {
  const marks = new Marks();
  for (const key of ["a", "b", "c", "d"]) marks.of(key);
  marks.keep(["b", "d"]);
  expect(["e", "b", "f", "g"].map((key) => marks.of(key))).toEqual([256, 257, 258, 260]);
});

test("marks that are in the kernel are taken over; of two that don't fit together the first counts", () => {
  const marks = new Marks();
  marks.adopt([
    { key: "a", mark: 258 },
    { key: "b", mark: 258 },
    { key: "a", mark: 300 },
    { key: "c", mark: 7 },
  ]);
  expect(["a", "b", "c", "d"].map((key) => marks.of(key))).toEqual([258, 256, 257, 259]);
});
