/** Counters in memory that two threads share: one writes, the other reads. */

/** Memory for counters such as these. */
export const newCounters = (like: object): Float64Array =>
  new Float64Array(new SharedArrayBuffer(Object.keys(like).length * Float64Array.BYTES_PER_ELEMENT));

/** A function that writes what the counters say now. */
export function counterWriter<T extends object>(counters: T, shared: Float64Array): () => void {
  const names = Object.keys(counters) as (keyof T)[];
  return () => {
    for (let i = 0; i < names.length; i++) shared[i] = counters[names[i]!] as number;
  };
}

/** Adds what is in `shared`. Both sides have the same counters in the same order. */
export function addCounters(shared: Float64Array, to: object): void {
  const sums = to as Record<string, number>;
  for (const [i, name] of Object.keys(sums).entries()) sums[name]! += shared[i]!;
}

/** The same, for whoever counts on from there. */
export function keepCounters(from: Float64Array, to: Float64Array): void {
  for (let i = 0; i < to.length; i++) to[i]! += from[i]!;
}
