/** Who waits for whom. Each line asks for work under some keys; what has begun is compared. */
import { expect, test } from "vitest";
import { Turns } from "../../src/sandbox/turns.ts";

/** Work that goes on until it is told to end. */
function world(most: number) {
  const turns = new Turns(most);
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  return {
    turns,
    begun,
    add: (name: string, ...keys: string[]) =>
      turns.add(keys, () => {
        begun.push(name);
        return new Promise((resolve) => ends.set(name, resolve));
      }),
    end: async (name: string) => {
      ends.get(name)!();
      await settle();
    },
  };
}
/** Everything that needs no event has happened. */
const settle = () => new Promise(setImmediate);

test.each<[string, string[], string[]]>([
  ["nobody shares anything", ["a:1", "b:2", "c:3"], ["a", "b", "c"]],
  ["one key for all", ["a:1", "b:1", "c:1"], ["a"]],
  ["two of three share one", ["a:1", "b:1", "c:2"], ["a", "c"]],
  ["whoever waits for two holds both", ["a:1", "b:1,2", "c:2"], ["a"]],
])("%s", async (_, asked, expected) => {
  const { begun, add } = world(8);
  for (const one of asked) add(one[0]!, ...one.slice(2).split(","));
  await settle();
  expect(begun).toEqual(expected);
});

test("in the order it was asked for, for each key", async () => {
  const { begun, add, end } = world(8);
  add("a", "1");
  add("b", "1", "2");
  add("c", "2");
  add("d", "1");
  await settle();
  await end("a");
  expect(begun).toEqual(["a", "b"]);
  await end("b");
  expect(begun).toEqual(["a", "b", "c", "d"]);
});

test("so many at a time, whoever they are", async () => {
  const { begun, add, end, turns } = world(2);
  for (const name of "abcde") add(name, name);
  await settle();
  expect(begun).toEqual(["a", "b"]);
  await end("b");
  expect(begun).toEqual(["a", "b", "c"]);
  let settled = false;
  const all = turns.settled().then(() => {
    settled = true;
  });
  for (const name of "acd") await end(name);
  expect([begun.length, settled]).toEqual([5, false]);
  await end("e");
  await all;
});
