/** The suite for stores sees what is wrong with one: each sabotage of the memory store fails the cases that are about it. */
import { expect, test } from "vitest";
import type { Change } from "../../src/model/types.ts";
import { memoryStore } from "../../src/registry/stores/memory.ts";
import type { Feed, Store } from "../../src/registry/stores/store.ts";
import { storeCases } from "../../src/testing/store.ts";

type Sabotage = (store: Store) => Partial<Store>;

async function failing(sabotage: Sabotage): Promise<string[]> {
  const failed: string[] = [];
  const create = async () => {
    const store = memoryStore();
    return { ...store, ...sabotage(store) };
  };
  for (const { name, run } of storeCases(create)) await run().catch(() => failed.push(name));
  return failed;
}

/** The store sees another feed than the one that it is given. */
const feeding =
  (instead: (feed: Feed) => Partial<Feed>): Sabotage =>
  (store) => ({
    open: (feed, options) =>
      store.open(
        {
          get revision() {
            return feed.revision;
          },
          get size() {
            return feed.size;
          },
          objects: () => feed.objects(),
          feed: (changes, keep) => feed.feed(changes, keep),
          restore: (stored, revision) => feed.restore(stored, revision),
          rehearse: (batches) => feed.rehearse(batches),
          ...instead(feed),
        },
        options,
      ),
  });

/** It stores this instead of what has become of the objects. */
const storing = (instead: (objects: readonly Change[], given: readonly unknown[]) => readonly Change[]): Sabotage =>
  feeding((feed) => ({
    feed(changes, keep) {
      const { revision, objects } = feed.feed(changes, (became) => keep?.(instead(became, changes)));
      return { revision, objects: instead(objects, changes) };
    },
  }));

const withoutAddresses = (objects: readonly Change[]): Change[] =>
  JSON.parse(JSON.stringify(objects, (key, value) => (/^(ip|vip)[46]$/.test(key) ? undefined : value)));

const AGAIN = "opened again, it feeds everything in one batch, in an order that a registry accepts";
const ALLOCATED = "what was allocated is what is stored: opened again, every address and port is as it was";
const TASKS = "a removed service takes its tasks along, as in the registry";
const ORPHAN = "a sandbox whose container was removed is restored, and can be removed then";
const BEFORE = "a write comes back through the feed before it resolves, as it was";
const GOES_ON = "opened again, it is at the revision that it was at, and goes on from there";
const EMPTIED = "the revision is kept when nothing else is";
const REVISION =
  "a write resolves to the revision that it made; one that changes nothing, and an empty one, to the one there is";

test.each<[string, Sabotage, string[]]>([
  ["nothing is wrong with it", () => ({}), []],
  [
    "it resolves before it feeds",
    (store) => ({
      async write(changes) {
        setTimeout(() => store.write(changes).catch(() => {}), 0);
        return 0;
      },
    }),
    [BEFORE, REVISION],
  ],
  [
    "it counts writes, not revisions",
    (store) => {
      let writes = 0;
      return { write: (changes) => store.write(changes).then(() => ++writes) };
    },
    [REVISION],
  ],
  [
    "it looks at what it is given a moment later",
    (store) => ({
      async write(changes) {
        await undefined;
        return store.write(changes);
      },
    }),
    [
      "what was written may be changed right after the call, and is fed and stored as it was",
      "what is written while it closes is stored and fed, or refused",
    ],
  ],
  [
    "what comes after a refused write is refused with it",
    (store) => {
      let last: Promise<unknown> = Promise.resolve();
      return {
        write(changes) {
          const written = last.then(() => store.write(changes));
          last = written;
          return written;
        },
      };
    },
    ["one that is refused is in nobody's way, though they were written at once"],
  ],
  [
    "signals are not heeded",
    (store) => ({ open: (feed) => store.open(feed) }),
    ["after abort nothing is fed and a write is refused; it can be opened again"],
  ],
  [
    "what the feed refuses is not said",
    (store) => ({ write: (changes) => store.write(changes).catch(() => 0) }),
    ["what the feed refuses is thrown by write and is not stored", "written before open is refused"],
  ],
  [
    "nothing is kept",
    () => {
      let store = memoryStore();
      return {
        open: (feed, options) => {
          store = memoryStore();
          return store.open(feed, options);
        },
        write: (changes) => store.write(changes),
        close: () => store.close(),
      };
    },
    [AGAIN, ALLOCATED, ORPHAN],
  ],
  ["allocated addresses are not kept", storing(withoutAddresses), [ALLOCATED]],
  ["what was given is kept, not what came of it", storing((_, given) => given as Change[]), [ALLOCATED, TASKS]],
  ["what goes along with others is kept", storing((all) => all.filter((c) => c.kind !== "task.remove")), [TASKS]],
  [
    "what is stored is fed in another order",
    feeding((feed) => ({ restore: (s, revision) => feed.restore([...s].reverse(), revision) })),
    [AGAIN],
  ],
  ["revisions begin anew", feeding((feed) => ({ restore: (s) => feed.restore(s, 0) })), [GOES_ON, EMPTIED]],
  [
    "nothing is fed where nothing is left",
    feeding((feed) => ({ restore: (s, revision) => ([...s].length > 0 ? feed.restore(s, revision) : 0) })),
    [EMPTIED],
  ],
  ["what is stored is fed like a write", feeding((feed) => ({ restore: (s) => feed.feed([...s]).revision })), [ORPHAN]],
])("%s", async (_, sabotage, expected) => {
  const failed = await failing(sabotage);
  if (expected.length === 0) expect(failed).toEqual([]);
  else expect(failed).toEqual(expect.arrayContaining(expected));
});
