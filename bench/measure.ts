/** Times a function and prints one line: median of several rounds, with the bar it has to stay under. */

/** Median nanoseconds per call of `work`, over rounds of `calls` after two that warm up. */
export function timed(work: (i: number) => void, calls: number, rounds = 7): number {
  const times: number[] = [];
  for (let round = -2; round < rounds; round++) {
    const started = process.hrtime.bigint();
    for (let i = 0; i < calls; i++) work(i);
    if (round >= 0) times.push(Number(process.hrtime.bigint() - started) / calls);
  }
  return times.sort((a, b) => a - b)[times.length >> 1]!;
}

/** `name .......... value unit   bar < below   ok` */
export function report(name: string, value: number, unit: string, below?: number): void {
  const figure = `${value.toFixed(value < 10 ? 2 : 0)} ${unit}`;
  const bar = below === undefined ? "" : `   bar < ${below} ${unit}   ${value < below ? "ok" : "MISSED"}`;
  console.log(`${name.padEnd(58, ".")} ${figure}${bar}`);
  if (below !== undefined && value >= below) process.exitCode = 1;
}

export const percentile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))]!;

export const median = (values: readonly number[]): number => percentile(values, 0.5);

export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}
