/**
 * The unit tests that `npm run mutate` holds against mutants: those which scripts/mutate.ts names for the folder at hand. Random tests
 * draw the same every time and not often, so that a mutant they notice is noticed again; how long something takes is not asked.
 */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: process.env["MUTATE_TESTS"]?.split(" ") ?? [],
    exclude: ["**/load.test.ts"],
    setupFiles: ["test/mutation/same-every-time.ts"],
    isolate: false, // loading what a dozen files import would take longer than their tests
    testTimeout: 30_000,
  },
});
