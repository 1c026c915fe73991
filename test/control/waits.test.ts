/** Waiting: for what is in names and kernel, for what drains, for a revision to come; and what ends it. */
import { describe, expect, test, vi } from "vitest";
import { startControl } from "../../src/control/server.ts";
import { createNode } from "../../src/daemon.ts";
import { FakeBackend } from "../../src/lb-programmer/backends/fake.ts";
import { ask, newSocket, served, shown } from "./served.ts";

const world = async () => {
  const it = await served({ node: { balance: { backend: new FakeBackend() } } });
  await it.node.write([
    { kind: "network.put", network: { name: "n", subnets: [{ cidr: "10.0.1.0/24" }] } },
    { kind: "service.put", service: { name: "web", networks: [{ network: "n" }] } },
    { kind: "task.put", task: { service: "web", slot: 1 } },
  ]);
  return it;
};
/** A node whose kernel comes to be as it should when it is told. */
async function held() {
  const node = createNode({ workers: 0 });
  let go = (): void => {};
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  node.applied = () => gate;
  node.drained = () => gate;
  const socket = newSocket();
  const control = await startControl({ node, socket });
  const end = async (): Promise<void> => {
    go();
    await control.close();
    await node.close();
  };
  return { node, socket, control, go, end };
}

test("a write answers when it is applied, or drained", async () => {
  const { socket } = await world();
  expect(shown(await ask(socket, 'PUT /v1/tasks/web.2?wait=applied {"service":"web","slot":2}'))).toMatch(
    /^201 "2" .*"waited":"applied"}$/,
  );
  expect(shown(await ask(socket, "DELETE /v1/tasks/web.2?wait=drained"))).toBe('200 {"revision":3,"waited":"drained"}');
  expect(shown(await ask(socket, "GET /v1/wait"))).toBe('200 {"revision":3,"waited":"applied"}');
  expect(shown(await ask(socket, "GET /v1/wait?revision=2&for=drained"))).toBe('200 {"revision":3,"waited":"drained"}');
});

test("one that is not there yet is waited for", async () => {
  const { socket, node } = await world();
  const waiting = ask(socket, "GET /v1/wait?revision=3");
  await node.write([{ kind: "task.patch", id: "web.1", patch: { weight: 2 } }]);
  await node.write([{ kind: "task.patch", id: "web.1", patch: { weight: 3 } }]);
  expect(shown(await waiting)).toBe('200 {"revision":3,"waited":"applied"}');
});

describe("what ends it", () => {
  test("its time: what is written is written", async () => {
    const { socket, end, node } = await held();
    expect(shown(await ask(socket, "PUT /v1/networks/n?wait=applied&timeout=0.01 {}"))).toMatch(
      /^202 "1" .*"waited":"timeout"}$/,
    );
    expect(node.state.networks.size).toBe(1);
    expect(shown(await ask(socket, "GET /v1/wait?revision=9&timeout=0.01"))).toBe(
      '202 {"revision":1,"waited":"timeout"}',
    );
    await end();
  });

  test("the server's end, and it is said", async () => {
    const { socket, control, node } = await held();
    const waiting = [
      ask(socket, "GET /v1/wait?for=drained"),
      ask(socket, "GET /v1/wait?revision=9"),
      ask(socket, "PUT /v1/networks/n?wait=drained {}"),
    ];
    await vi.waitFor(() => expect(node.state.networks.size).toBe(1));
    const started = performance.now();
    await control.close();
    expect(performance.now() - started).toBeLessThan(900);
    const [drained, revision, written] = (await Promise.all(waiting)).map(shown);
    expect([drained, revision]).toEqual(["503 closing: the agent is ending", "503 closing: the agent is ending"]);
    expect(written).toMatch(/^202 .*"revision":1,.*"waited":"timeout"/); // it is written: nobody is to try it again
    await node.close();
  });

  test("too many of them: the node is asked for so much at a time", async () => {
    const { socket, end } = await held();
    const replies: string[] = [];
    for (let i = 0; i < 530; i++) replies.push(shown(await ask(socket, "GET /v1/wait?timeout=0")).slice(0, 8));
    expect([replies[0], replies[511], replies[529]]).toEqual(['202 {"re', '202 {"re', "429 busy"]);
    await end();
  });
});

test("who is degraded is said, and not waited for", async () => {
  const { socket, end, node, go } = await held();
  Object.defineProperty(node, "balance", {
    value: [{ target: "host", revision: 1, state: "degraded", reason: "no nft", leaving: 0 }],
  });
  go();
  expect(shown(await ask(socket, "GET /v1/wait"))).toBe(
    '200 {"revision":0,"waited":"applied","degraded":[{"target":"host","reason":"no nft"}]}',
  );
  expect((await ask(socket, "GET /v1/status")).body.balance).toEqual({
    targets: 1,
    equal: 0,
    working: 0,
    degraded: [{ target: "host", reason: "no nft" }],
  });
  await end();
});
