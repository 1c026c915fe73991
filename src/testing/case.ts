/** A test that belongs to no test runner: suites for other people's stores and backends are lists of these. */

/**
 * Passed when `run` resolves, failed when it rejects. What it resolves to, if anything, is why it does not apply:
 *
 *   for (const { name, run } of storeCases(create)) test(name, async (t) => { const why = await run(); if (why) t.skip(why); });
 */
export interface Case {
  readonly name: string;
  run(): Promise<string | undefined>;
}

/** Tries until it does not throw, for at most so many milliseconds; then throws what it threw last. */
export async function eventually(check: () => void, most: number): Promise<void> {
  for (const end = performance.now() + most; ; await new Promise((resolve) => setTimeout(resolve, 20)))
    try {
      return check();
    } catch (error) {
      if (performance.now() > end) throw error;
    }
}
