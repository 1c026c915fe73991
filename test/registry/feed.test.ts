/** What a batch came to for whoever keeps objects, what it would come to, and who is told when. */
import { expect, test, vi } from "vitest";
import type { ChangeInput } from "../../src/model/input.ts";
import type { Change } from "../../src/model/types.ts";
import { type Applied, Registry, type Rehearsed } from "../../src/registry/registry.ts";
import { changes } from "../support/world.ts";

const NET = "network n overlay 10.0.1.0/24\n";
const ALL = `${NET} sandbox c\n container c on n\n service web on n\n task web.1 on n`;

/** "task.put web-1-id". */
function line(change: Change): string {
  if ("id" in change) return `${change.kind} ${change.id}`;
  const [object] = Object.values(change).filter((field) => typeof field === "object");
  return `${change.kind} ${(object as { readonly id: string }).id}`;
}
const lines = (objects: readonly Change[]): string[] => objects.map(line);
const outcome = (one: Rehearsed) => ("refused" in one ? String(one.refused) : lines(one.objects));

const filled = (text: string): Registry => {
  const r = new Registry();
  r.apply(changes(text));
  return r;
};

test("puts, in an order that an empty registry takes, with what was filled in", () => {
  const { objects, revision } = new Registry().feed(changes(ALL));
  expect(lines(objects)).toEqual([
    "network.put n",
    "service.put web",
    "task.put web-1-id",
    "container.put c",
    "sandbox.put c",
  ]);
  expect([revision, objects[3]]).toMatchObject([1, { container: { endpoints: [{ network: "n", ip4: "10.0.1.2" }] } }]);
  const again = new Registry();
  again.apply(objects);
  expect(again.feed(objects).objects).toEqual([]);
});

test("removals behind them, of what went along and of what came and went, too", () => {
  const r = filled(ALL);
  const batch: ChangeInput[] = [
    { kind: "service.remove", id: "web" },
    { kind: "sandbox.remove", id: "c" },
    { kind: "container.remove", id: "c" },
    { kind: "network.remove", id: "n" },
    ...changes("network m overlay 10.0.2.0/24\n container x on m"),
    { kind: "container.remove", id: "x" },
  ];
  const { objects, changes: done } = r.feed(batch);
  expect(lines(objects)).toEqual([
    "network.put m",
    "network.remove n",
    "service.remove web",
    "task.remove web-1-id",
    "container.remove c",
    "container.remove x",
    "sandbox.remove c",
  ]);
  expect(done).toHaveLength(batch.length);
});

test("it is kept before anybody hears of it, and is what this batch came to, whatever listeners apply", () => {
  const heard: string[] = [];
  const r = new Registry({ follow: ({ revision }) => heard.push(`follow ${revision}`) });
  r.once("change", () => void r.apply([{ kind: "container.remove", id: "c" }]));
  r.on("change", ({ revision }) => heard.push(`change ${revision}`));
  const fed = r.feed(changes(`${NET} container c on n`), (objects) => heard.push(`keep ${lines(objects)}`));
  expect(heard).toEqual(["keep network.put n,container.put c", "follow 1", "follow 2", "change 1", "change 2"]);
  expect([fed.revision, lines(fed.objects), r.revision]).toEqual([1, ["network.put n", "container.put c"], 2]);
});

test("a rehearsal changes nothing, and the same batches come to the same", () => {
  const r = filled(NET);
  const batches = [
    "container a on n",
    "container b on n\n container x on nowhere",
    "container c on n\n container a on n ip=10.0.1.77",
    "container d on n",
  ].map(changes);
  const told: Applied[] = [];
  r.on("change", (applied) => told.push(applied));
  const before = JSON.stringify([...r.state.networks, ...r.state.containers]);
  const rehearsed = r.rehearse(batches);
  expect(rehearsed.map(outcome)).toEqual([
    ["container.put a"],
    'RegistryError: container x: there is no network "nowhere"',
    ["container.put c", "container.put a"],
    ["container.put d"],
  ]);
  expect([JSON.stringify([...r.state.networks, ...r.state.containers]), r.revision, told]).toEqual([before, 1, []]);
  const fed = [0, 2, 3].map((i) => {
    const { objects, revision } = r.feed(batches[i]!);
    return { objects, revision };
  });
  expect(fed).toEqual([0, 2, 3].map((i) => rehearsed[i]));
});

test("a rehearsal counts what changes something", () => {
  const r = filled(`${NET} container a on n`);
  const batches = ["container a on n", "container b on n", "container b on n", "container c on x", "container c on n"];
  const revisions = r.rehearse(batches.map(changes)).map((one) => ("refused" in one ? undefined : one.revision));
  expect(revisions).toEqual([1, 2, 2, undefined, 3]);
});

test.each<[string, number[], number]>([
  ["as it was stored", [7], 7],
  ["not said: the next one", [0], 1],
  ["never back", [7, 3], 8],
  ["nothing is left, but the revision", [7], 7],
])("restored: %s", (name, revisions, expected) => {
  const told: [number, number][] = [];
  const r = new Registry({ follow: ({ revision, changes: done }) => told.push([revision, done.length]) });
  const texts = name.startsWith("nothing") ? [""] : [NET, "container c on n"];
  for (const [i, revision] of revisions.entries()) r.restore(changes(texts[i]!), revision);
  expect([r.revision, told.at(-1)]).toEqual([expected, [expected, texts[0] === "" ? 0 : 1]]);
  expect(r.apply(changes("network m overlay 10.0.2.0/24"))).toBe(expected + 1);
});

test("who follows can't be taken off", () => {
  const told: number[] = [];
  const r = new Registry({ follow: ({ revision }) => told.push(revision) });
  r.removeAllListeners();
  r.apply(changes(NET));
  r.restore(changes("container c on n"));
  expect(told).toEqual([1, 2]);
});

test("what a listener throws is told to whom was named, or is a warning of the process's", () => {
  const told: unknown[] = [];
  const warning = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
  const registries = [new Registry({ threw: (error, event) => told.push(String(error), event) }), new Registry()];
  for (const r of registries) {
    r.on("change", () => {
      throw new Error("boom");
    });
    expect(r.apply(changes(NET))).toBe(1);
  }
  registries[1]!.removeAllListeners().on("change", () => {
    throw "no error";
  });
  registries[1]!.apply(changes("container c on n"));
  expect(told).toEqual(["Error: boom", "change"]);
  expect(warning.mock.calls).toEqual([
    ['a listener of "change" has thrown: boom'],
    ['a listener of "change" has thrown: no error'],
  ]);
  warning.mockRestore();
});
