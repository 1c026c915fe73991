import { expect, test } from "vitest";
import { ROOM } from "../../src/lb-programmer/backends/nftables/slots.ts";
import { FIRST_MARK, LAST_MARK, Marks } from "../../src/lb-programmer/marks.ts";

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
    { key: "c", mark: 2 ** 22 },
    { key: "c", mark: 300.5 },
  ]);
  expect(["a", "b", "c", "d"].map((key) => marks.of(key))).toEqual([258, 256, 257, 259]);
});

test("the last mark fits 32 bits in every number that is made of one", () => {
  const marks = new Marks();
  marks.adopt([
    { key: "last", mark: LAST_MARK },
    { key: "more", mark: LAST_MARK + 1 },
  ]);
  expect([marks.of("last"), marks.of("more")]).toEqual([LAST_MARK, FIRST_MARK]);
  expect(LAST_MARK * ROOM + ROOM).toBe(2 ** 32);
});

test("when all are in use, it says how many that are", () => {
  const marks = new Marks(() => {}, FIRST_MARK + 1);
  expect(["a", "b"].map((key) => marks.of(key))).toEqual([256, 257]);
  expect(() => marks.of("c")).toThrow("c: no mark is left, all 2 are in use");
});

test("who has which, those taken over first", () => {
  const marks = new Marks();
  marks.adopt([{ key: "first", mark: FIRST_MARK }]);
  marks.of("next");
  expect(marks.entries()).toEqual([
    ["first", FIRST_MARK],
    ["next", FIRST_MARK + 1],
  ]);
});

test("each change is said: a mark given, taken over, freed; nothing else is one", () => {
  let changes = 0;
  const marks = new Marks(() => changes++);
  marks.adopt([{ key: "a", mark: 300 }]);
  marks.of("b");
  expect(changes).toBe(2);
  marks.of("a");
  marks.adopt([{ key: "a", mark: 300 }]);
  marks.keep(["a", "b"]);
  expect(changes).toBe(2);
  marks.keep(["b"]);
  expect(changes).toBe(3);
});
