/** Who is told what was heard, and who has to look for himself. The sockets are a fake. */
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { OsError } from "../../src/os/error.ts";
import type { Heard } from "../../src/os/netlink/hearing.ts";
import { Listener } from "../../src/os/netlink/listen.ts";
import { PULSE } from "../../src/os/rounds.ts";

const ENOENT = 2;
const HOME = -1;

let closed: number;
let places: Map<string | undefined, number>;
let heard: Heard;
const nothing: Heard = { in: new Map(), gone: new Set(), whole: true };
const hearing = {
  numberOf(path: string | undefined): number {
    const number = places.get(path);
    if (number === undefined) throw new OsError("open namespace", ENOENT, path);
    return number;
  },
  take(): Heard {
    const now = heard;
    heard = nothing;
    return now;
  },
  close: () => void closed++,
};

beforeEach(() => {
  vi.useFakeTimers();
  closed = 0;
  heard = nothing;
  places = new Map([[undefined, HOME], ..."abcdefghij".split("").map((path, i) => [path, i] as const)]);
});
afterEach(() => void vi.useRealTimers());

/** Those who listen at these paths ("home": this thread's), and what they were told since the last time: "a:rules 7 b:unsure". */
function ears(paths: string, listener = new Listener(hearing)) {
  let said: string[] = [];
  const stop = paths.split(" ").map((path) =>
    listener.add(path === "home" ? undefined : path, (news) => {
      said.push(`${path}:${news.kind}${news.kind === "rules" ? ` ${news.generation}` : ""}`);
    }),
  );
  onTestFinished(() => {
    for (const one of stop) one();
  });
  return {
    after(pulses: number): string {
      said = [];
      vi.advanceTimersByTime(pulses * PULSE);
      return said.join(" ");
    },
    stop,
  };
}

const rules = (generation: number) => ({ generation });
const ADDRESSES = { addresses: true };

test.each<[string, string, [number, { generation?: number; addresses?: boolean }][], string]>([
  ["rules", "a b", [[0, rules(7)]], "a:rules 7"],
  ["addresses", "a b", [[1, ADDRESSES]], "b:addresses"],
  ["both", "a b", [[0, { ...rules(7), ...ADDRESSES }]], "a:rules 7 a:addresses"],
  ["here", "home a", [[HOME, rules(7)]], "home:rules 7"],
  ["where nobody listens", "a b", [[77, rules(7)]], ""],
])("news: %s", (_, paths, news, told) => {
  const { after } = ears(paths);
  heard = { ...nothing, in: new Map(news) };
  expect(after(1)).toBe(told);
  expect(after(20)).toBe("");
});

test("two paths of one namespace are both told", () => {
  places.set("b", 0);
  const { after } = ears("a b");
  heard = { ...nothing, in: new Map([[0, rules(7)]]) };
  expect(after(1)).toBe("a:rules 7 b:rules 7");
});

test("something was lost: all are to look, once, a fifth of them with each pulse", () => {
  const { after } = ears("a b c d e f g h i j");
  heard = { ...nothing, whole: false };
  expect([1, 1, 1, 1, 1, 1].map(after)).toEqual([
    "a:unsure b:unsure",
    "c:unsure d:unsure",
    "e:unsure f:unsure",
    "g:unsure h:unsure",
    "i:unsure j:unsure",
    "",
  ]);
});

test("something is lost again and again: nobody looks more often than twice a second", () => {
  const { after } = ears("a b c d e f g h i j");
  const counts = new Map<string, number>();
  for (let pulse = 0; pulse < 50; pulse++) {
    heard = { ...nothing, whole: false };
    for (const one of after(1).split(" ")) counts.set(one, (counts.get(one) ?? 0) + 1);
  }
  expect([...counts.values()]).toEqual(new Array(10).fill(10));
});

test("a namespace is gone: to be looked for, until one is there, which is heard", () => {
  const { after } = ears("a b");
  places.delete("a");
  heard = { ...nothing, gone: new Set([0]) };
  expect(after(1)).toBe("a:unsure");
  expect(after(10)).toBe("a:unsure a:unsure");
  places.set("a", 11);
  expect(after(5)).toBe("a:unsure");
  expect(after(20)).toBe("");
  heard = { ...nothing, in: new Map([[11, rules(1)]]) };
  expect(after(1)).toBe("a:rules 1");
});

test("the number of one that is gone is another's at once", () => {
  const { after } = ears("a");
  ears("z");
  places.set("a", 5);
  heard = { ...nothing, gone: new Set([0]) };
  expect(after(1)).toBe("a:unsure");
  heard = { ...nothing, in: new Map([[0, rules(1)]]) };
  expect(after(1)).toBe("");
});

test("nothing can be heard here: all look, twice a second, in turn", () => {
  const { after } = ears("a b", new Listener(undefined));
  expect([2, 2, 1, 2, 3].map(after)).toEqual(["", "a:unsure", "b:unsure", "", "a:unsure b:unsure"]);
});

test("who has stopped is told nothing, and the last one closes the sockets", () => {
  const { after, stop } = ears("a b");
  heard = { in: new Map([[0, rules(7)]]), gone: new Set(), whole: false };
  stop[0]!();
  expect(after(1)).toBe("b:unsure");
  stop[0]!();
  expect(closed).toBe(0);
  stop[1]!();
  expect([closed, vi.getTimerCount()]).toEqual([1, 0]);
});
