/** How many times longer a machine may take that is only emulated. */
export const PATIENCE = Number(process.env["E11_PATIENCE"] ?? 1);

/** Waits for something that no event tells of: asks every 5 ms, gives up with an Error after `deadline` milliseconds. */
export async function until(check: () => Promise<boolean> | boolean, what: string, deadline = 10_000): Promise<void> {
  const end = performance.now() + deadline * PATIENCE;
  while (!(await check())) {
    if (performance.now() > end) throw new Error(`not within ${deadline * PATIENCE} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
