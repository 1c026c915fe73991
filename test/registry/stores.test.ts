/** Every store that is here does what a store must do. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Registry } from "../../src/registry/registry.ts";
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

test.each([null, undefined, "", { length: 0 }])("what is no list is refused by every store: %j", async (changes) => {
  for (const store of [memoryStore(), fileStore({ directory: directory() })]) {
    await store.open(new Registry());
    await expect(store.write(changes as [])).rejects.toMatchObject({ name: "RegistryError", code: "invalid" });
    await store.close();
  }
});
