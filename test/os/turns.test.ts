/** Who is called when, of those who wait for their turn; in steps: places that ask, places whose call ends, milliseconds that pass. */
import { stat } from "node:fs";
import { expect, test, vi } from "vitest";
import { OsError } from "../../src/os/error.ts";
import { Turns } from "../../src/os/turns.ts";

test.each([
  ["as many as there are threads for", "a b c d", "a b"],
  ["one at a time for each place", "a a b b", "a b"],
  ["who waits longest is next", "a b c d a -a", "a b c"],
  ["and those who may not be called yet are passed over", "a a b c -b", "a b c"],
  ["a place that was slow shares one thread with its like", "a b +1100 -a -b x a b", "a b x a"],
  ["others have the other one", "a b +1100 -a -b a b x y", "a b a x"],
  ["it is slow while it is at work, too", "a +1100 b -a a c", "a b a"],
  ["that is forgotten", "a b +1100 -a -b +300001 a b", "a b a b"],
  ["who is quick is not slow", "a b +900 -a -b a b", "a b a b"],
])("%s", async (_, steps, expected) => {
  vi.useFakeTimers();
  try {
    const turns = new Turns(2, () => vi.getMockedSystemTime()!.getTime());
    const called: string[] = [];
    const ends = new Map<string, () => void>();
    for (const step of steps.split(" ")) {
      if (step.startsWith("-")) ends.get(step.slice(1))?.();
      else if (!step.startsWith("+"))
        void turns.run(step, () => {
          called.push(step);
          return new Promise<void>((end) => ends.set(step, end));
        });
      await vi.advanceTimersByTimeAsync(step.startsWith("+") ? Number(step) : 0);
    }
    expect(called.join(" ")).toBe(expected);
  } finally {
    vi.useRealTimers();
  }
});

test("what it resolves to and why it rejects is the call's, and then the next is called", async () => {
  const turns = new Turns(1);
  const wrong = turns.run("a", () => Promise.reject(new Error("no")));
  const right = turns.run("a", async () => 7);
  await expect(wrong).rejects.toThrow("no");
  expect(await right).toBe(7);
});

test("nobody waits for longer than he will: what has begun goes on, what has not never does", async () => {
  vi.useFakeTimers();
  try {
    const turns = new Turns(1);
    const called: string[] = [];
    let end = (): void => {};
    const begun = turns.run("a", () => new Promise<void>((done) => (end = done)), 100);
    const waiting = turns.run("b", async () => void called.push("b"), 100);
    const patient = turns.run("c", async () => void called.push("c"));
    const outcomes = Promise.allSettled([begun, waiting]);
    await vi.advanceTimersByTimeAsync(101);
    const late = { status: "rejected", reason: expect.any(OsError) };
    expect(await outcomes).toEqual([late, late]);
    expect(called).toEqual([]);
    end();
    await patient;
    expect(called).toEqual(["c"]);
  } finally {
    vi.useRealTimers();
  }
});

test("who waits while others' calls end has time, unless he is slow himself; a call has its time from its beginning", async () => {
  vi.useFakeTimers();
  try {
    const turns = new Turns(1, () => vi.getMockedSystemTime()!.getTime());
    const take = (milliseconds: number) => () => new Promise<void>((done) => setTimeout(done, milliseconds));
    const slow = turns.run("slow", take(1_500), 2_000);
    await vi.advanceTimersByTimeAsync(1_500);
    await slow;
    const calls = ["a", "b", "c", "d", "slow", "e"].map((place) => turns.run(place, take(800), 1_000));
    const outcomes = Promise.allSettled(calls);
    await vi.advanceTimersByTimeAsync(10_000);
    expect((await outcomes).map(({ status }) => status)).toEqual([
      ...["fulfilled", "fulfilled", "fulfilled", "fulfilled"],
      "rejected",
      "fulfilled",
    ]);
  } finally {
    vi.useRealTimers();
  }
});

test("nobody is late or slow because this thread was at something else", async () => {
  const turns = new Turns(1);
  const called: string[] = [];
  const calls = ["a", "b", "a", "c"].map((place) =>
    turns.run(place, () => new Promise<void>((done) => stat("/", () => done(void called.push(place)))), 500),
  );
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_100); // what another thread has done meanwhile is not heard of
  const slow = calls.map((call, i) => call.then(() => i));
  expect(await Promise.all(slow)).toEqual([0, 1, 2, 3]);
  const both = new Turns(2);
  const ends: (() => void)[] = [];
  const took = ["x", "y"].map((place) => both.run(place, () => new Promise<void>((done) => stat("/", () => done()))));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_100);
  await Promise.all(took);
  for (const place of ["x", "y"]) void both.run(place, () => new Promise<void>((done) => ends.push(done)));
  expect(ends).toHaveLength(2); // side by side, as those that are not slow
  for (const end of ends) end();
});
