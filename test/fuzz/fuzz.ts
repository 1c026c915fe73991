/**
 * Structure-aware fuzzing with fast-check: inputs that are nearly right, as long as FUZZ_SECONDS says (default 1). What made
 * something fail once is kept in corpus/ and tried first, for ever.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { test } from "vitest";

const SECONDS = Number(process.env["FUZZ_SECONDS"] ?? 1);
const CORPUS = new URL("corpus/", import.meta.url);

/**
 * A name, inputs, and what must hold for each of them: it throws if it does not. `slowest`: milliseconds that none may take;
 * of the processor's time, if the clock says more, for the machine may be busy.
 */
export function fuzz(
  name: string,
  inputs: fc.Arbitrary<Uint8Array>,
  holds: (input: Uint8Array) => void,
  { slowest = Number.POSITIVE_INFINITY }: { readonly slowest?: number } = {},
): void {
  const folder = new URL(`${name}/`, CORPUS);
  const known = existsSync(folder) ? readdirSync(folder) : [];
  const tried = (input: Uint8Array): number => {
    const ms = timed(holds, input);
    if (ms > slowest && worked(holds, input) > slowest) throw new Error(`takes ${Math.round(ms)} ms`);
    return ms;
  };
  for (const file of known) test(`${name}: ${file}`, () => void tried(readFileSync(new URL(file, folder))));

  test(`${name}: ${SECONDS} s`, () => {
    const started = performance.now();
    const until = started + SECONDS * 1000;
    let count = 0;
    let longest = 0;
    while (performance.now() < until) {
      const result = fc.check(
        fc.property(inputs, (input) => {
          count++;
          longest = Math.max(longest, tried(input));
        }),
        {
          numRuns: 1_000,
          interruptAfterTimeLimit: Math.max(1, until - performance.now()),
          markInterruptAsFailure: false,
        },
      );
      if (result.failed && result.counterexample !== null) {
        const [input] = result.counterexample;
        const error = result.errorInstance as Error;
        throw new Error(`${keep(folder, input)} ${shown(input)}: ${error.message}`, { cause: error });
      }
    }
    const rate = Math.round((count / (performance.now() - started)) * 1000);
    console.log(`${name}: ${count} executions, ${rate}/s, the slowest ${longest.toFixed(1)} ms`);
  });
}

function timed(holds: (input: Uint8Array) => void, input: Uint8Array): number {
  const started = performance.now();
  holds(input);
  return performance.now() - started;
}

/** Milliseconds of the processor. */
function worked(holds: (input: Uint8Array) => void, input: Uint8Array): number {
  const before = process.cpuUsage();
  holds(input);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** For what is asked of each of a million inputs: `expect` would take most of the time. */
export function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`not so: ${what}`);
}

/** The beginning of an input, as octets or as text. */
function shown(input: Uint8Array): string {
  const some = Buffer.from(input.subarray(0, 200));
  const text = some.toString();
  return `${text.includes("\ufffd") ? some.toString("hex") : JSON.stringify(text)}${input.length > 200 ? "…" : ""}`;
}

/** Writes the input to the corpus; its name there. */
function keep(folder: URL, input: Uint8Array): string {
  mkdirSync(folder, { recursive: true });
  const name = `${createHash("sha256").update(input).digest("hex").slice(0, 12)}-${input.length}`;
  writeFileSync(new URL(name, folder), input);
  return name;
}
