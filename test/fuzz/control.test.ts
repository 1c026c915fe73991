/** The control API, asked what its own document allows and what it does not: never a 5xx, never an end. */
import { expect, test } from "vitest";
import { tryInvalid, tryValid } from "../control/from-document.ts";

const COUNT = 10_000;
const seed = Number(process.env["FUZZ_SEED"] ?? Date.now() % 2 ** 31);

test.each([
  ["allows", tryValid],
  ["does not allow", tryInvalid],
])(`${COUNT} requests that the document %s`, async (_what, tried) => {
  console.log(`FUZZ_SEED=${seed}`);
  const { byStatus } = await tried(COUNT, seed);
  expect([...byStatus.values()].reduce((a, b) => a + b)).toBe(COUNT);
  console.log(
    [...byStatus]
      .sort(([a], [b]) => a - b)
      .map(([status, n]) => `${status}: ${n}`)
      .join("  "),
  );
});
