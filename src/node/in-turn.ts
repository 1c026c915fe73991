/** Steps of an end: each is taken, whatever became of the one before. */

/** One after the other, all of them; rejects with what the first that failed was rejected with, once all are over. */
export async function inTurn(steps: readonly (() => unknown)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
