/**
 * Lines to standard output or standard error that never hold up this process and never end it, whatever is on the other end: a full
 * disk, a pipe that nobody reads, a reader that went away. What can't be written waits, and past a bound it is lost, and counted.
 */
import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";

/** Lines that wait for a reader, or for room on the disk. */
const MOST_WAITING = 256;
/** Milliseconds until the next try: for a reader that is slow, and for whatever else is wrong. */
const AGAIN_AFTER = { full: 50, failed: 1_000 };
/** At the end of the process, so long is waited for a slow reader. */
const PATIENCE = 200;

export class Output {
  readonly #standard: 1 | 2;
  readonly #sayLost: (count: number) => string;
  #fd: number | undefined;
  readonly #waiting: Buffer[] = [];
  #lost = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `sayLost` is the line that says how many were lost, written when lines can be written again. */
  constructor(standard: 1 | 2, sayLost: (count: number) => string) {
    this.#standard = standard;
    this.#sayLost = sayLost;
    process.once("exit", () => this.#end());
  }

  /** Writes the line, now or later or not at all. */
  write(line: string): void {
    if (this.#waiting.length >= MOST_WAITING) {
      this.#lost++;
      return;
    }
    this.#waiting.push(Buffer.from(`${line}\n`));
    if (this.#timer === undefined) this.#goOn();
  }

  #goOn(): void {
    this.#timer = undefined;
    const problem = this.#drain();
    if (problem === undefined) return;
    const after = problem === "EAGAIN" ? AGAIN_AFTER.full : AGAIN_AFTER.failed;
    this.#timer = setTimeout(() => this.#goOn(), after).unref();
  }

  /** Writes what waits; why not all of it. */
  #drain(): string | undefined {
    try {
      while (this.#waiting.length > 0) {
        this.#writeFirst();
        if (this.#waiting.length > 0 || this.#lost === 0) continue;
        this.#waiting.push(Buffer.from(`${this.#sayLost(this.#lost)}\n`));
        this.#lost = 0;
      }
      return undefined;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? "EIO";
    }
  }

  /** Of a line that fits in part, the rest stays the first. */
  #writeFirst(): void {
    const line = this.#waiting[0]!;
    this.#fd ??= withoutWaiting(this.#standard);
    const written = writeSync(this.#fd, line);
    if (written === line.length) this.#waiting.shift();
    else this.#waiting[0] = line.subarray(written);
  }

  #end(): void {
    const until = performance.now() + PATIENCE;
    while (this.#drain() === "EAGAIN" && performance.now() < until) pause(10);
  }
}

/**
 * A descriptor for the same file that is never waited for. Opened anew, because the flag belongs to the open file, which we share with
 * whoever started us. A socket can't be opened, nor another user's pipe: there node sets the flag, and takes it back when it ends.
 */
function withoutWaiting(standard: 1 | 2): number {
  if (fstatSync(standard).isFile()) return standard; // and two positions in one file would overwrite each other
  try {
    const again = openSync(`/proc/self/fd/${standard}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    if (again > 2) return again;
    closeSync(again); // it was closed, and is no place for us
  } catch {}
  (standard === 1 ? process.stdout : process.stderr).on("error", () => {});
  return standard;
}

const pause = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
