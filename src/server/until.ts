/** Waiting for upstreams before an end. */

/** Resolves when `isSo` says so (it is asked every few milliseconds), or after `ms`. */
export async function until(isSo: () => boolean, ms: number): Promise<void> {
  const deadline = performance.now() + ms;
  while (!isSo() && performance.now() < deadline) await new Promise((done) => setTimeout(done, 10));
}

/** Before a restart: no upstream is waited for any longer than this. */
export const LONGEST_FLIGHT = 4_500;
/** Before an end: who waits longer is told SERVFAIL. */
export const LAST_FLIGHT = 2_000;
