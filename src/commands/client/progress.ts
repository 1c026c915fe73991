/** Long work on a terminal: what is waited for and how long already, on a line that goes away in the end. */
import type { Shell } from "../shell.ts";

/** Nothing is shown of what is quick. Milliseconds. */
const QUIET = 500;
const EVERY = 200;

export async function patiently<T>({ progress }: Shell, what: string, work: Promise<T>): Promise<T> {
  if (progress === undefined) return work;
  const began = performance.now();
  let shown = false;
  const timer = setInterval(() => {
    const passed = performance.now() - began;
    if (passed < QUIET) return;
    shown = true;
    progress(`${what} (${Math.floor(passed / 1_000)} s)`);
  }, EVERY);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    if (shown) progress("");
  }
}
