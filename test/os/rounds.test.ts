/** Work spread evenly over time. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { everyPulse, PULSE, Rounds } from "../../src/os/rounds.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** How often each of `count` members was called with each pulse: "0 1" is the first two. */
function called(rounds: Rounds, count: number, pulses: number): string[] {
  let now: number[] = [];
  const leave = Array.from({ length: count }, (_, i) => rounds.add(() => now.push(i)));
  const seen = Array.from({ length: pulses }, () => {
    now = [];
    vi.advanceTimersByTime(PULSE);
    return now.join(" ");
  });
  for (const one of leave) one();
  return seen;
}

test.each([
  ["as many as pulses", 5, ["0", "1", "2", "3", "4", "0"]],
  ["fewer", 2, ["", "", "0", "", "1", "", "", "0"]],
  ["one", 1, ["", "", "", "", "0", "", "", "", "", "0"]],
  ["more", 10, ["0 1", "2 3", "4 5", "6 7", "8 9", "0 1"]],
  ["more, and uneven", 7, ["0", "1", "2 3", "4", "5 6", "0"]],
])("five pulses to a period: %s", (_, members, expected) => {
  expect(called(new Rounds(5 * PULSE), members, expected.length)).toEqual(expected);
});

test("who leaves while another is called is not called any more", () => {
  const rounds = new Rounds(PULSE);
  const said: string[] = [];
  const leave = [rounds.add(() => [said.push("a"), leave[1]?.()]), rounds.add(() => said.push("b"))];
  vi.advanceTimersByTime(3 * PULSE);
  expect(said.join("")).toBe("aaa");
  leave[0]!();
});

test("a late timer makes up for nothing: nobody is called twice in a row", () => {
  const rounds = new Rounds(5 * PULSE);
  const said: string[] = [];
  const leave = rounds.add(() => said.push("a"));
  vi.setSystemTime(Date.now() + 60_000);
  vi.advanceTimersByTime(5 * PULSE);
  expect(said).toEqual(["a"]);
  leave();
});

test("one timer for all, and none for nobody", () => {
  expect(vi.getTimerCount()).toBe(0);
  const stop = [everyPulse(() => {}), new Rounds(PULSE).add(() => {}), new Rounds(1).add(() => {})];
  expect(vi.getTimerCount()).toBe(1);
  for (const one of stop) one();
  expect(vi.getTimerCount()).toBe(0);
});
