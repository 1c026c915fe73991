/** Worker threads as a library has them: many namespaces, a worker that dies, a wildcard address. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import type { Change } from "../../src/model/types.ts";
import { built } from "./built.ts";
import { asked, digAt, freePort, have } from "./dig.ts";
import { eventually, Namespaces, withoutNamespaces } from "./namespaces.ts";

const { createNode } = await built();
const descriptors = () => readdirSync("/proc/self/fd").length;

const NETWORK: Change = {
  kind: "network.put",
  network: {
    id: "n",
    name: "n",
    driver: "overlay",
    ingress: false,
    defaultBridge: false,
    internal: false,
    subnets: [{ cidr: "10.5.0.0/16" }],
  },
};
const container = (name: string, ip4: string): Change => ({
  kind: "container.put",
  container: {
    id: name,
    name,
    state: "running",
    endpoints: [{ network: "n", ip4, aliases: [], links: [], priority: 0 }],
    labels: {},
  },
});
const sandbox = (id: string, address: string, port: number, netns?: string): Change => ({
  kind: "sandbox.put",
  sandbox: {
    id,
    member: { kind: "container", id: "one" },
    listen: [{ address, port }],
    upstreams: [],
    ...(netns !== undefined && { netns }),
  },
});

afterEach(() => vi.restoreAllMocks());

test("an error that nobody catches ends the process at once, workers or not: a supervisor is to see it", () => {
  const index = new URL("../../dist/index.js", import.meta.url).href;
  const code = `import { createNode } from "${index}";
    await createNode({ workers: 1 }).ready();
    setTimeout(() => { throw new Error("boom"); }, 50);`;
  const { status, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", code], { timeout: 20_000 });
  expect([status, String(stderr)]).toEqual([1, expect.stringContaining("boom")]);
});

describe.skipIf(withoutNamespaces())("many sandboxes", () => {
  test("200 namespaces attached and detached 20 times leave no descriptor open", async () => {
    const ns = new Namespaces();
    onTestFinished(() => ns.clean());
    const all = Array.from({ length: 200 }, (_, i) => `s${i}`);
    await ns.add(...all);
    const node = createNode({ workers: 2 });
    onTestFinished(() => node.close());
    node.apply([NETWORK, container("one", "10.5.0.10")]);
    await node.ready();
    const before = descriptors();
    for (let round = 0; round < 20; round++) {
      node.apply(all.map((id) => sandbox(id, "127.0.0.11", 53, ns.path(id))));
      await node.ready();
      expect(node.problems.size).toBe(0);
      if (round === 0) expect(descriptors()).toBeGreaterThan(before + 399);
      const one = all[(round * 37) % all.length]!;
      if (round % 5 === 0) expect(await ns.exec(one, "dig", "@127.0.0.11", "+short", "one")).toBe("10.5.0.10");
      node.apply(all.map((id): Change => ({ kind: "sandbox.remove", id })));
      await node.ready();
      await node.applied();
    }
    await eventually(descriptors, (n) => n <= before + 2); // folders that are watched
  });
});

describe.skipIf(!have("dig"))("a worker", () => {
  test("that dies is replaced; its sockets, and what waits in them, are its successor's", async () => {
    let worker: Worker | undefined;
    const { postMessage } = Worker.prototype;
    vi.spyOn(Worker.prototype, "postMessage").mockImplementation(function (this: Worker, ...args) {
      worker = this;
      postMessage.apply(this, args);
    });
    const notices: string[] = [];
    const port = await freePort();
    const node = createNode({ workers: 1, onNotice: (m) => notices.push(m) });
    onTestFinished(() => node.close());
    node.apply([NETWORK, container("one", "10.5.0.10"), sandbox("s", "127.0.0.1", port)]);
    await node.ready();
    expect(await asked(port, "+noedns", "one")).toBe("NOERROR qr aa rd ra | one. 5 A 10.5.0.10");
    const first = worker!;
    void first.terminate(); // takes hold when the thread next runs JavaScript: the change below wakes it
    node.apply([container("two", "10.5.0.11")]);
    await once(first, "exit");
    expect(await asked(port, "+noedns", "one")).toBe("NOERROR qr aa rd ra | one. 5 A 10.5.0.10");
    expect(await asked(port, "+noedns", "two")).toBe("NOERROR qr aa rd ra | two. 5 A 10.5.0.11");
    expect(notices).toContain("a worker died; another has taken over its sockets");
    expect(node.counters.serve.answered).toBeGreaterThanOrEqual(2);
  });

  test("answers from the address that was asked, on a wildcard address", async () => {
    const port = await freePort();
    const node = createNode({ workers: 1 });
    onTestFinished(() => node.close());
    node.apply([NETWORK, container("one", "10.5.0.10"), sandbox("s", "0.0.0.0", port), sandbox("t", "::", port)]);
    await node.ready();
    // dig takes no answer from another address than the one it asked
    for (const at of ["127.0.0.1", "127.8.9.10", "127.200.0.1", "::1"])
      expect(await digAt(at, port, "+short", "one")).toBe("10.5.0.10\n");
  });

  test("takes 100 000 names in parts, and has all of them", async () => {
    const port = await freePort();
    const node = createNode({ workers: 1 });
    onTestFinished(() => node.close());
    node.apply([NETWORK, container("one", "10.5.0.10"), sandbox("s", "127.0.0.1", port)]);
    await node.ready();
    const names = Array.from({ length: 50_000 }, (_, i) => container(`c${i}`, `10.5.${1 + (i >> 8)}.${i & 255}`));
    node.apply(names);
    await node.applied();
    for (const i of [0, 1, 24_999, 49_999])
      expect(await asked(port, "+noedns", `c${i}`)).toBe(
        `NOERROR qr aa rd ra | c${i}. 5 A 10.5.${1 + (i >> 8)}.${i & 255}`,
      );
  });
});
