import { expect, test } from "vitest";
import { Failures } from "../../../src/forwarder/core/failures.ts";
import type { Outcome } from "../../../src/forwarder/core/flight.ts";

const outcome = (text: string): Outcome => ({ rcode: 2, ede: 22, text });

// RFC 9520: each row fails at these moments; the last one is told until the moment behind it.
test.each([
  ["once: a second", [0], 1_000],
  ["again: two", [0, 1_000], 3_000],
  ["and again: four", [0, 1_000, 3_000], 7_000],
  ["half a minute at most", [0, 1_000, 3_000, 7_000, 15_000, 31_000], 61_000],
  ["and still", [0, 1_000, 3_000, 7_000, 15_000, 31_000, 61_000], 91_000],
  ["half a minute later it is still again", [0, 30_999], 32_999],
  ["then it is news", [0, 31_000], 32_000],
])("%s", (_name, moments, until) => {
  const failures = new Failures();
  for (const now of moments) failures.put("k", outcome(`at ${now}`), now);
  expect(failures.get("k", until - 1)).toEqual(outcome(`at ${moments.at(-1)}`));
  expect(failures.get("k", until)).toBeUndefined();
  expect(failures.get("another", until - 1)).toBeUndefined();
});

test("an answer ends it, and the next failure is a first one", () => {
  const failures = new Failures();
  failures.remove("k");
  failures.put("k", outcome(""), 0);
  failures.put("k", outcome(""), 1_000);
  failures.remove("k");
  expect(failures.get("k", 1_000)).toBeUndefined();
  failures.put("k", outcome(""), 1_500);
  expect(failures.get("k", 2_500)).toBeUndefined();
});

test("2 048 are remembered; what failed longest ago is forgotten first", () => {
  const failures = new Failures();
  for (let i = 0; i < 2_048; i++) failures.put(`${i}`, outcome(`${i}`), 0);
  failures.put("0", outcome("again"), 0); // the youngest now
  expect(failures.get("1", 0)).toBeDefined();
  failures.put("one more", outcome(""), 0);
  expect(["0", "1", "2", "2047", "one more"].filter((key) => failures.get(key, 0) === undefined)).toEqual(["1"]);
});
