/** Runs the cases of src/testing under vitest. */
import { describe, test } from "vitest";
import type { Case } from "../../src/testing/case.ts";

export function runCases(name: string, cases: readonly Case[]): void {
  describe(name, () => {
    for (const { name, run } of cases)
      test(name, async ({ skip }) => {
        const why = await run();
        if (why !== undefined) skip(why);
      });
  });
}
