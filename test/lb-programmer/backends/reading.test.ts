/** How much of a container's table is read, by how many elements it may have. */
import { expect, test } from "vitest";
import { limitsIn } from "../../../src/lb-programmer/backends/inet-table/transaction.ts";

test.each([
  ["nothing of ours yet", 50_000, { most: 8_000_000, longest: 1_000 }],
  ["twice the elements of 10 000 services with 3 tasks", 280_000, { most: 44_800_000, longest: 5_600 }],
])("%s", (_, most, limits) => {
  expect(limitsIn(most)).toEqual(limits);
});
