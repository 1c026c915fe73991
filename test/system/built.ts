/** The built package: worker threads don't load from src on Node 20. */
export const built = async (): Promise<typeof import("../../src/index.ts")> =>
  import(new URL("../../dist/index.js", import.meta.url).href);
