/** Writes container after container into a store, eight at a time, and says each one that is acknowledged, until it is killed. */
import { writeSync } from "node:fs";
import { Registry } from "../../src/registry/registry.ts";
import { fileStore } from "../../src/registry/stores/file.ts";
import { changes } from "../support/world.ts";

const store = fileStore({ directory: process.argv[2]!, slack: 20 });
const registry = new Registry();
await store.open(registry);
await store.write(changes("network n overlay 10.8.0.0/13"));
let next = registry.state.containers.size;

async function write(): Promise<void> {
  for (;;) {
    const id = `c${next++}`;
    await store.write(changes(`container ${id} on n`));
    writeSync(1, `${id} ${registry.state.containers.get(id)?.endpoints[0]?.ip4}\n`); // at once, not when there is time
  }
}
await Promise.all(Array.from({ length: 8 }, write));
