/**
 * Writes container after container into a store, each in one state after the other, eight at a time, and says each write that is
 * acknowledged, until it is killed or has made so many containers.
 */
import { writeSync } from "node:fs";
import { Registry } from "../../src/registry/registry.ts";
import { fileStore } from "../../src/registry/stores/file.ts";
import { changes } from "../support/world.ts";

const NOBODY = new Int32Array(new SharedArrayBuffer(4));
const store = fileStore({ directory: process.argv[2]!, slack: 20 });
const registry = new Registry();
await store.open(registry);
await store.write(changes("network n overlay 10.8.0.0/13"));
let next = registry.state.containers.size;
const most = next + Number(process.argv[3] ?? Number.POSITIVE_INFINITY);

/** At once, not when there is time; whoever reads may be slower. */
function say(line: string): void {
  for (;;)
    try {
      writeSync(1, line);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(NOBODY, 0, 0, 1);
    }
}

async function write(): Promise<void> {
  while (next < most) {
    const id = `c${next++}`;
    for (const state of ["running", "paused", "stopped"]) {
      await store.write(changes(`container ${id} state=${state} on n`));
      const ip = registry.state.containers.get(id)?.endpoints[0]?.ip4;
      say(`${id} ${state} ${ip}\n`);
    }
  }
}
await Promise.all(Array.from({ length: 8 }, write));
await store.close();
