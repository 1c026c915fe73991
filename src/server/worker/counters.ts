/** Counters in memory that two threads share: one writes, the other reads. */
import type { ServeCounters } from "../serve.ts";

const NAMES = [
  "queries",
  "dropped",
  "malformed",
  "answered",
  "nodata",
  "nxdomain",
  "refused",
  "forwarded",
] as const satisfies readonly (keyof ServeCounters)[];

export const newCounters = (): Float64Array =>
  new Float64Array(new SharedArrayBuffer(NAMES.length * Float64Array.BYTES_PER_ELEMENT));

export function writeCounters(counters: ServeCounters, shared: Float64Array): void {
  for (let i = 0; i < NAMES.length; i++) shared[i] = counters[NAMES[i]!];
}

/** Adds what is in `shared`. */
export function addCounters(shared: Float64Array, to: ServeCounters): void {
  for (let i = 0; i < NAMES.length; i++) to[NAMES[i]!] += shared[i]!;
}
