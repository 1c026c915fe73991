/** The suite for stores sees what is wrong with one: each sabotage of the memory store fails the cases that are about it. */
import { expect, test } from "vitest";
import { memoryStore } from "../../src/registry/stores/memory.ts";
import type { Store } from "../../src/registry/stores/store.ts";
import { storeCases } from "../../src/testing/store.ts";

async function failing(sabotage: (store: Store) => Partial<Store>): Promise<string[]> {
  const failed: string[] = [];
  const create = async () => {
    const store = memoryStore();
    return { ...store, ...sabotage(store) };
  };
  for (const { name, run } of storeCases(create)) await run().catch(() => failed.push(name));
  return failed;
}

const ABORT = "after abort nothing is fed and a write is refused; it can be opened again";

test.each<[string, (store: Store) => Partial<Store>, string[]]>([
  ["nothing is wrong with it", () => ({}), []],
  [
    "it resolves before it feeds",
    (store) => ({ write: async (changes) => void setTimeout(() => store.write(changes).catch(() => {}), 0) }),
    ["a write comes back through the feed before it resolves, as it was"],
  ],
  ["signals are not heeded", (store) => ({ open: (feed) => store.open(feed) }), [ABORT]],
  [
    "what the feed refuses is not said",
    (store) => ({ write: (changes) => store.write(changes).catch(() => {}) }),
    ["what the feed refuses is thrown by write and is not stored", "written before open is refused"],
  ],
  [
    "nothing is kept",
    () => {
      let feed: ((changes: readonly never[]) => void) | undefined;
      return {
        open: async (into) => {
          feed = into;
        },
        write: async (changes) => feed?.(changes as readonly never[]),
        close: async () => {},
      };
    },
    ["opened again, it feeds everything in one batch, in an order that a registry accepts"],
  ],
])("%s", async (_, sabotage, expected) => {
  const failed = await failing(sabotage);
  if (expected.length === 0) expect(failed).toEqual([]);
  else expect(failed).toEqual(expect.arrayContaining(expected));
});
