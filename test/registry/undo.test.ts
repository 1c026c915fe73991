/** What is taken back when a batch is refused, and how it is found out that nothing changed. */
import { expect, test } from "vitest";
import { same } from "../../src/model/same.ts";
import { Undo } from "../../src/registry/undo.ts";

test("everything is taken back, last thing first, and once", () => {
  const undo = new Undo();
  const map = new Map([
    ["kept", 1],
    ["changed", 2],
    ["gone", 3],
  ]);
  const set = new Set(["kept", "gone"]);
  const before = [new Map(map), new Set(set)];
  const steps: string[] = [];
  undo.set(map, "changed", 20);
  undo.set(map, "changed", 21);
  undo.set(map, "new", 4);
  undo.delete(map, "gone");
  undo.delete(map, "nobody");
  undo.push(() => steps.push("first"));
  undo.add(set, "new");
  undo.add(set, "kept");
  undo.remove(set, "gone");
  undo.remove(set, "nobody");
  undo.push(() => steps.push("last"));
  expect([[...map], [...set]]).toEqual([
    [
      ["kept", 1],
      ["changed", 21],
      ["new", 4],
    ],
    ["kept", "new"],
  ]);
  undo.rollback();
  expect([map, set, steps]).toEqual([...before, ["last", "first"]]);
  map.set("later", 5);
  undo.rollback();
  expect([map.get("later"), steps]).toEqual([5, ["last", "first"]]);
});

test("back to a mark: what came before it stays, and is taken back later", () => {
  const [undo, map, noted] = [new Undo(), new Map([["a", 1]]), { n: 1 }];
  const note = (n: number) => {
    const before = noted.n;
    if (undo.first(noted)) undo.push(() => Object.assign(noted, { n: before }));
    noted.n = n;
  };
  undo.set(map, "a", 2);
  note(2);
  const mark = undo.mark();
  undo.set(map, "a", 3);
  note(3);
  note(4);
  undo.rollback(mark);
  expect([map.get("a"), noted.n]).toEqual([2, 2]);
  note(5);
  undo.rollback();
  expect([map.get("a"), noted.n]).toEqual([1, 1]);
});

test("the first time that an object is named, until all is taken back", () => {
  const [undo, a, b] = [new Undo(), {}, {}];
  expect([undo.first(a), undo.first(a), undo.first(b)]).toEqual([true, false, true]);
  undo.rollback();
  expect(undo.first(a)).toBe(true);
});

test.each<[unknown, unknown, boolean]>([
  [1, 1, true],
  [1, 2, false],
  ["a", "a", true],
  [undefined, undefined, true],
  [undefined, null, false],
  [null, {}, false],
  [{}, null, false],
  [{}, "", false],
  ["", {}, false],
  [{}, {}, true],
  [[], [], true],
  [["a"], ["a"], true],
  [["a"], ["b"], false],
  [["a", "b"], ["a"], false],
  [["a"], ["a", "b"], false],
  [{ a: { b: [1] } }, { a: { b: [1] } }, true],
  [{ a: { b: [1] } }, { a: { b: [2] } }, false],
  [{ a: undefined }, { b: undefined }, false],
  [{ a: 1, b: 2 }, { b: 2, a: 1 }, true],
  [{ toString: undefined }, { a: undefined }, false],
])("%j says the same as %j: %s", (a, b, expected) => {
  expect(same(a, b)).toBe(expected);
});
