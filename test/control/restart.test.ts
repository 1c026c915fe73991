/** A restart of the agent: state, revisions and tags go on from what is stored. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startControl } from "../../src/control/server.ts";
import { createNode } from "../../src/daemon.ts";
import { fileStore } from "../../src/registry/stores/file.ts";
import { ask, newSocket, shown } from "./served.ts";

test("revisions, tags and the place in the events hold over a restart", async () => {
  const directory = join(mkdtempSync(join(tmpdir(), "eleven-")), "store");
  const socket = newSocket();
  const started = async () => {
    const node = createNode({ workers: 0, store: fileStore({ directory }) });
    await node.ready();
    const control = await startControl({ node, socket });
    return { end: () => control.close().then(() => node.close()) };
  };
  const first = await started();
  for (const line of ["PUT /v1/networks/n {}", "PUT /v1/networks/m {}", "DELETE /v1/networks/m"])
    await ask(socket, line);
  expect(shown(await ask(socket, "GET /v1/networks/n"))).toMatch(/^200 "1"/);
  await first.end();
  const second = await started();
  expect((await ask(socket, "GET /v1/status")).body.revision).toBe(3);
  expect(shown(await ask(socket, "GET /v1/networks/n"))).toMatch(/^200 "3"/);
  expect(shown(await ask(socket, "PUT /v1/networks/n {}", { "if-match": '"1"' }))).toMatch(/^412/);
  expect(shown(await ask(socket, 'PATCH /v1/networks/n {"internal":true}', { "if-match": '"3"' }))).toMatch(/^200 "4"/);
  expect(shown(await ask(socket, "GET /v1/events?since=2"))).toMatch(/^410/);
  expect(shown(await ask(socket, "HEAD /v1/events"))).toMatch(/^200/);
  await second.end();
});
