/** What fast-check draws in a run with mutants, and how often: most mutants are noticed by the first few draws. Not by the clock: a busy machine would change what is noticed. */
import { vi } from "vitest";

const MOST_RUNS = 40;

vi.mock("fast-check", async (original) => {
  const { default: fc } = await original<typeof import("fast-check")>();
  fc.configureGlobal({ seed: 11, endOnFailure: true });
  const assert: typeof fc.assert = ((property: never, more: { readonly numRuns?: number } = {}) =>
    fc.assert(property, { ...more, numRuns: Math.min(more.numRuns ?? 100, MOST_RUNS) })) as typeof fc.assert;
  return { default: { ...fc, assert } };
});
