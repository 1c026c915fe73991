/** Waiting for upstreams before a restart. */

/** Looks every few milliseconds, until it is so or no upstream would be waited for any longer. */
export async function until(isSo: () => boolean): Promise<void> {
  for (let i = 0; i < 450 && !isSo(); i++) await new Promise((done) => setTimeout(done, 10));
}
