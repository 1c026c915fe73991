/**
 * What exists is kept in a directory, with the addresses that were given to it, and what happens is told as events. The second node is
 * the first one after a restart.
 *
 *   npx tsx store.ts
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createNode, fileStore } from "eleven-dns";

const directory = mkdtempSync(join(tmpdir(), "eleven-"));
const web = (slot: number) => ({ kind: "task.put", task: { service: "web", slot } }) as const;

const first = createNode({ store: fileStore({ directory: join(directory, "state") }) });
first.on("change", ({ revision, changes }) => {
  console.log(`revision ${revision}: ${changes.map((change) => change.kind).join(", ")}`);
});
await first.ready(); // the store is open
await first.write([
  { kind: "network.put", network: { name: "mynet" } },
  { kind: "service.put", service: { name: "web", networks: [{ network: "mynet" }] } },
  web(1),
  web(2),
]);
await first.write([{ kind: "task.patch", id: "web.1", patch: { health: "unhealthy" } }]);
await first.write([{ kind: "task.remove", id: "web.1" }]);
await first.close();

const second = createNode({ store: fileStore({ directory: join(directory, "state") }) });
await second.ready();
const [task] = second.state.tasks.values();
console.log(`after a restart: ${task?.id} has ${task?.endpoints[0]?.ip4}`);

// A sandbox that can't listen is a problem until it can.
const somebody = createServer();
await new Promise<void>((listening) => somebody.listen(0, "127.0.0.1", listening));
const { port } = somebody.address() as { port: number };
const solved = new Promise<void>((resolve) => {
  second.on("problem", (sandbox, problem) => {
    console.log(`${sandbox}: ${problem === undefined ? "good again" : "the port is taken"}`);
    if (problem === undefined) resolve();
    else somebody.close();
  });
});
await second.write([
  { kind: "sandbox.put", sandbox: { member: { kind: "task", id: "web.2" }, listen: [{ address: "127.0.0.1", port }] } },
]);
await solved;
await second.close();
rmSync(directory, { recursive: true });
