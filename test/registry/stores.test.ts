/** Every store that is here does what a store must do. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileStore } from "../../src/registry/stores/file.ts";
import { memoryStore } from "../../src/registry/stores/memory.ts";
import { storeCases } from "../../src/testing/store.ts";
import { runCases } from "../support/cases.ts";

const directory = () => join(mkdtempSync(join(tmpdir(), "eleven-")), "store");

runCases(
  "store: memory",
  storeCases(async () => memoryStore()),
);
runCases(
  "store: file",
  storeCases(async () => fileStore({ directory: directory() })),
);
runCases(
  "store: file that is always written anew",
  storeCases(async () => fileStore({ directory: directory(), slack: -1_000_000 })),
);
