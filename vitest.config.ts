import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

/** What is remembered over restarts, by tests and by what they start: never the machine's own. */
const env = { STATE_DIRECTORY: mkdtempSync(join(tmpdir(), "eleven-state-")) };

// unit: src in this process. system: the built command, real dig, real servers; one file at a time. kernel: real kernels,
// the host's and (for IPVS) one that the suite boots. hostile: attackers with root in their own namespaces. fuzz: what
// foreign octets do to whatever reads them, as long as FUZZ_SECONDS says. package: the tarball, as a stranger installs it.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/system/**", "test/kernel/**", "test/hostile/**", "test/fuzz/**", "test/package/**"],
          testTimeout: 30_000,
          env,
        },
      },
      ...(["system", "hostile"] as const).map((name) => ({
        test: {
          name,
          include: [`test/${name}/**/*.test.ts`],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          env,
        },
      })),
      {
        test: {
          name: "kernel",
          include: ["test/kernel/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          env,
        },
      },
      {
        test: {
          name: "package",
          include: ["test/package/**/*.test.ts"],
          globalSetup: "test/package/install.ts",
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 300_000,
          env,
        },
      },
      { test: { name: "fuzz", include: ["test/fuzz/**/*.test.ts"], testTimeout: 3_600_000, env } },
    ],
  },
});
