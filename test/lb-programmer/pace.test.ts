import { expect, test } from "vitest";
import { Pace } from "../../src/lb-programmer/reconcile/pace.ts";
import { FakeClock } from "./fake-clock.ts";

/** Milliseconds without a word, then one; and how long the look waits. */
test.each([
  ["now and then", [0, 2_000, 2_000, 60_000], [250, 250, 250, 250]],
  [
    "on and on, up to the interval of the looks without a reason",
    [0, 1, 1, 1, 1, 1, 1, 1, 1],
    [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000],
  ],
  ["quiet for a while after that", [0, 1, 1, 1, 8_001], [250, 500, 1_000, 2_000, 250]],
])("words %s", async (_, gaps, waits) => {
  const clock = new FakeClock();
  const pace = new Pace(clock, { check: 250, drift: 30_000 });
  const given: number[] = [];
  for (const gap of gaps) {
    await clock.advance(gap);
    given.push(pace.next());
    await clock.advance(given.at(-1)!);
  }
  expect(given).toEqual(waits);
});
