/** Every store that is here does what a store must do. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileStore } from "../../src/registry/stores/file.ts";
import { memoryStore } from "../../src/registry/stores/memory.ts";
import { storeConformance } from "../conformance/store.ts";

const directory = () => join(mkdtempSync(join(tmpdir(), "eleven-")), "store");

storeConformance("memory", async () => memoryStore());
storeConformance("file", async () => fileStore({ directory: directory() }));
storeConformance("file that is always written anew", async () =>
  fileStore({ directory: directory(), slack: -1_000_000 }),
);
