/**
 * Structure-aware fuzzing with fast-check: inputs that are nearly right, as long as FUZZ_SECONDS says (default 1). What made
 * something fail once is kept in corpus/ and tried first, for ever.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";

const SECONDS = Number(process.env["FUZZ_SECONDS"] ?? 1);
const CORPUS = new URL("corpus/", import.meta.url);

/** A name, inputs, and what must hold for each of them: it throws if it does not. */
export function fuzz(name: string, inputs: fc.Arbitrary<Uint8Array>, holds: (input: Uint8Array) => void): void {
  const folder = new URL(`${name}/`, CORPUS);
  const known = existsSync(folder) ? readdirSync(folder) : [];
  for (const file of known) test(`${name}: ${file}`, () => holds(readFileSync(new URL(file, folder))));

  test(`${name}: ${SECONDS} s`, () => {
    const until = performance.now() + SECONDS * 1000;
    let count = 0;
    while (performance.now() < until) {
      const result = fc.check(
        fc.property(inputs, (input) => {
          count++;
          holds(input);
        }),
        {
          numRuns: 1_000,
          interruptAfterTimeLimit: Math.max(1, until - performance.now()),
          markInterruptAsFailure: false,
        },
      );
      if (result.failed && result.counterexample !== null) keep(folder, result.counterexample[0]);
      expect(result.failed, fc.defaultReportMessage(result)).toBe(false);
    }
    console.log(`${name}: ${Math.round(count / SECONDS)} executions/s`);
  });
}

function keep(folder: URL, input: Uint8Array): void {
  mkdirSync(folder, { recursive: true });
  const name = `${Buffer.from(input).toString("hex").slice(0, 16)}-${input.length}`;
  writeFileSync(new URL(name, folder), input);
}
