/** What counts as somebody else's change. The namespace is a few variables; what is heard of it is said by the test. */
import { mkdtempSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Watches } from "../../../src/lb-programmer/backends/common/watch.ts";
import { addressesThere } from "../../../src/lb-programmer/backends/common/watched.ts";
import type { LbTarget } from "../../../src/lb-programmer/state.ts";
import type { Hear } from "../../../src/os/netlink/listen.ts";
import { nftGeneration } from "../../../src/os/netlink/nfnetlink.ts";

vi.mock("../../../src/os/netlink/nfnetlink.ts", () => ({ nftGeneration: () => there.generation }));

const there = { generation: 10, silent: "", settings: {} as Record<string, string> };
const silent = (): string => there.silent;
const sandbox: LbTarget = { kind: "sandbox", id: "sandbox/c1", sandbox: "c1" };
const host: LbTarget = { kind: "host", id: "host", bridge: "" };

let hear: Hear;
let watches: Watches;
let told: number;

beforeEach(() => {
  vi.useFakeTimers();
  Object.assign(there, { generation: 10, silent: "", settings: {} });
  told = 0;
  watches = new Watches(
    (_, keys) => ({
      read: () => Object.fromEntries(keys.map((key) => [key, there.settings[key] ?? ""])),
      close: () => {},
    }),
    (_, ear) => {
      hear = ear;
      return () => {};
    },
  );
});
afterEach(() => {
  watches.stop();
  vi.useRealTimers();
});

const watch = (...looks: (() => unknown)[]) => watches.add(sandbox, looks, () => void told++);
const nothing = async () => undefined;
const rules = (generation: number): void => hear({ kind: "rules", generation });

test.each<[string, () => void, number]>([
  ["a change of rules", () => rules(11), 1],
  ["the same one again", () => [11, 11].map(rules), 1],
  ["one that is known already", () => rules(10), 0],
  ["one from before", () => rules(9), 0],
  ["addresses, which nobody watches there", () => hear({ kind: "addresses" }), 0],
  ["nothing for sure, and nothing has happened", () => hear({ kind: "unsure" }), 0],
  [
    "nothing for sure, and something has happened",
    () => {
      there.generation++;
      hear({ kind: "unsure" });
    },
    1,
  ],
])("heard: %s", (_, happen, times) => {
  watch(nftGeneration);
  happen();
  expect(told).toBe(times);
});

test.each<[string, takes: number, times: number, target?: LbTarget]>([
  ["quick: twice a second", 1, 20],
  ["slow, since a container has filled a list, say: seldom", 100, 4],
  ["slow, in a namespace of the host's: as often as ever", 100, 20, host],
])("a look that is %s", (_, takes, times, target = sandbox) => {
  let [now, looks] = [0, 0];
  vi.spyOn(performance, "now").mockImplementation(() => now);
  const look = () => {
    looks++;
    now += takes;
  };
  watches.add(target, [look], () => void told++);
  looks = 0; // the first is not one of the rounds
  for (let i = 0; i < 20; i++) {
    now += 500;
    vi.advanceTimersByTime(500);
  }
  expect(looks).toBe(times);
  vi.restoreAllMocks();
});

test("a path that leads in a circle is a namespace that is gone", () => {
  const path = join(mkdtempSync(join(tmpdir(), "eleven-")), "circle");
  symlinkSync(path, path);
  watches.add({ ...sandbox, netns: path }, [silent], () => void told++);
  expect(() => vi.advanceTimersByTime(2_000)).not.toThrow();
});

test("the number of changes begins anew", () => {
  there.generation = 0xffff_fffe;
  watch(nftGeneration);
  rules(0xffff_ffff);
  rules(1);
  rules(0xffff_ffff);
  expect(told).toBe(2);
});

test("what announces nothing is looked at twice a second, what does is not", () => {
  watch(nftGeneration, silent);
  there.generation++;
  vi.advanceTimersByTime(10_000);
  expect(told).toBe(0);
  there.silent = "other";
  vi.advanceTimersByTime(500);
  expect(told).toBe(1);
  vi.advanceTimersByTime(10_000);
  expect(told).toBe(1);
});

test("settings that matter are looked at within five seconds", () => {
  watch(nftGeneration);
  there.settings = { a: "1", b: "1" };
  watches.settings(sandbox, ["a"]);
  there.settings["b"] = "2";
  vi.advanceTimersByTime(10_000);
  expect(told).toBe(0);
  there.settings["a"] = "2";
  vi.advanceTimersByTime(5_000);
  expect(told).toBe(1);
  vi.advanceTimersByTime(10_000);
  expect(told).toBe(1);
});

test("our own changes are not told, whenever they are heard", async () => {
  watch(nftGeneration, silent);
  watches.settings(sandbox, ["a"]);
  await watches.during(sandbox, async () => {
    Object.assign(there, { generation: 12, silent: "ours", settings: { a: "ours" } });
    rules(11);
    hear({ kind: "unsure" });
    vi.advanceTimersByTime(10_000);
    return undefined;
  });
  rules(12);
  hear({ kind: "unsure" });
  vi.advanceTimersByTime(10_000);
  expect(told).toBe(0);
});

test.each<[string, () => void]>([
  ["rules", () => void there.generation++],
  ["settings", () => void Object.assign(there, { settings: { a: "2" } })],
])("what others changed just before our own change is told: %s", async (_, change) => {
  watch(nftGeneration);
  watches.settings(sandbox, ["a"]);
  change();
  await watches.during(sandbox, nothing);
  expect(told).toBe(1);
});

test.each<[string, from: number, to: number, own: number | undefined, times: number]>([
  ["as many as ours", 10, 12, 2, 0],
  ["more than ours", 10, 13, 2, 1],
  ["fewer: one of ours changed nothing", 10, 11, 2, 0],
  ["we can't say how many are ours", 10, 15, undefined, 0],
  ["more than ours, beyond the highest number", 0xffff_ffff, 2, 2, 1],
  ["as many as ours, beyond the highest number", 0xffff_ffff, 1, 2, 0],
])("changes of rules while we make ours: %s", async (_, from, to, own, times) => {
  there.generation = from;
  watch(nftGeneration);
  await watches.during(sandbox, async () => {
    there.generation = to;
    return own;
  });
  expect(told).toBe(times);
});

test("changes of two at a time are not counted: neither knows of the other's", async () => {
  watch(nftGeneration);
  const ours = (more: () => Promise<unknown>) =>
    watches.during(sandbox, async () => {
      await more();
      there.generation++;
      return 1;
    });
  await ours(() => ours(async () => {}));
  expect(told).toBe(0);
});

test.each<[string, (() => unknown)[], () => unknown, boolean]>([
  ["nothing has happened", [nftGeneration], () => {}, true],
  [
    "rules were changed, unheard, which is found after five minutes",
    [nftGeneration],
    () => {
      there.generation++;
      expect(watches.unchanged(sandbox)).toBe(true);
      vi.advanceTimersByTime(300_000);
    },
    false,
  ],
  [
    "a setting was changed, which its own round tells",
    [nftGeneration],
    () => {
      Object.assign(there, { settings: { a: "2" } });
      expect(watches.unchanged(sandbox)).toBe(true);
      vi.advanceTimersByTime(5_000);
      expect(told).toBe(1);
    },
    true,
  ],
  ["what announces nothing can't be told", [nftGeneration, silent], () => {}, false],
  [
    "we have changed something, and others may have meanwhile",
    [nftGeneration],
    () => watches.during(sandbox, nothing),
    false,
  ],
])("for sure as it was read: %s", async (_, looks, happen, sure) => {
  watch(...looks);
  watches.settings(sandbox, ["a"]);
  await happen();
  expect(watches.unchanged(sandbox)).toBe(sure);
});

test("after our own change it is sure again once it was read", async () => {
  watch(nftGeneration);
  await watches.during(sandbox, nothing);
  expect([watches.unchanged(sandbox), watches.unchanged(sandbox)]).toEqual([false, true]);
  expect(watches.unchanged({ ...sandbox, id: "sandbox/c2" })).toBe(false);
});

test("addresses are looked at when they are heard of", () => {
  watch(addressesThere);
  hear({ kind: "addresses" });
  rules(11);
  expect(told).toBe(0);
});
