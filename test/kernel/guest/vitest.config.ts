/** What runs inside the guest: inside.ts, in one process, since it has one CPU and namespaces of its own. */
import { defineConfig } from "vitest/config";

export default defineConfig({
  root: new URL("../../..", import.meta.url).pathname,
  test: {
    include: ["test/kernel/guest/inside.ts"],
    pool: "forks",
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
