/** Waits for something that no event tells of: asks every 5 ms, gives up with an Error after `deadline` milliseconds. */
export async function until(check: () => Promise<boolean> | boolean, what: string, deadline = 10_000): Promise<void> {
  const end = performance.now() + deadline;
  while (!(await check())) {
    if (performance.now() > end) throw new Error(`not within ${deadline} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
