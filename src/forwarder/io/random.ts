/** Random ids from the system's generator, drawn in bulk: one call for each would cost more than the query. */
import { randomFillSync } from "node:crypto";

/** 16 bits nobody can predict, each time. */
export function createRandom16(): () => number {
  const pool = new Uint16Array(2048);
  let left = 0;
  return () => {
    if (left === 0) {
      randomFillSync(pool);
      left = pool.length;
    }
    const random = pool[--left]!;
    pool[left] = 0; // used ids are nobody's business, not even a heap dump's
    return random;
  };
}
