/** Worker threads as a library has them: many namespaces, a worker that dies, a wildcard address. */
import { spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { closeSync, fstatSync, mkdtempSync, openSync, readdirSync, readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { FakeBackend } from "../../src/lb-programmer/backends/fake.ts";
import type { Change } from "../../src/model/types.ts";
import { query } from "../support/packets.ts";
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

test.each([
  ["knows nothing", "", null],
  ["was opened", "await node.ready();", null],
  ["knows a container", "node.apply(container);", null],
  ["has a sandbox that listens nowhere", "node.apply([...container, sandbox([])]);", null],
  [
    "has a sandbox to listen for",
    "node.apply([...container, sandbox([{ address: '127.0.0.1', port: 0 }])]);",
    "SIGTERM",
  ],
])("a program with a node that %s ends by itself, unless it answers", (_, does, signal) => {
  const index = new URL("../../dist/index.js", import.meta.url).href;
  const code = `import { createNode } from "${index}";
    const container = [{ kind: "container.put", container: { name: "c" } }];
    const sandbox = (listen) => ({ kind: "sandbox.put", sandbox: { member: { kind: "container", id: "c" }, listen } });
    const node = createNode({ workers: 2 });
    ${does}`;
  const timeout = signal === null ? 20_000 : 2_000;
  const ended = spawnSync(process.execPath, ["--input-type=module", "-e", code], { timeout });
  expect([ended.signal, String(ended.stderr)]).toEqual([signal, ""]);
});

/** What /proc says of each thread of this process: capabilities and no_new_privs, by thread id. */
function privileges(): Map<number, string> {
  const of = (tid: string) =>
    [
      ...readFileSync(`/proc/self/task/${tid}/status`, "utf8").matchAll(
        /^(Cap(?:Inh|Prm|Eff|Amb)|NoNewPrivs):\s*(\w+)/gm,
      ),
    ]
      .map(([, what, is]) => `${what} ${is}`)
      .join(", ");
  return new Map(readdirSync("/proc/self/task").map((tid) => [Number(tid), of(tid)]));
}

test.skipIf(process.getuid?.() !== 0)(
  "workers have no capability and can get none; every other thread has what it had",
  async () => {
    const before = privileges().get(process.pid);
    const node = createNode({ workers: 2 });
    onTestFinished(() => node.close());
    await node.ready();
    await Promise.all(Array.from({ length: 8 }, () => stat("/"))); // the pool has all its threads
    const none = ["Inh", "Prm", "Eff", "Amb"].map((set) => `Cap${set} ${"0".repeat(16)}`).concat("NoNewPrivs 1");
    const threads = [...privileges().values()];
    expect(before).not.toBe(none.join(", "));
    expect(threads.filter((t) => t === none.join(", "))).toHaveLength(2);
    expect(threads.filter((t) => t === before)).toHaveLength(threads.length - 2);
  },
);

test("a node that was closed touches no descriptor any more, which may be somebody else's by now", async () => {
  const node = createNode();
  await node.ready();
  await node.close();
  const folder = mkdtempSync(join(tmpdir(), "eleven-"));
  const files = Array.from({ length: 64 }, (_, i) => openSync(join(folder, `${i}`), "w")); // its eventfd's number is among them
  expect(() => node.setUpstreams([{ address: "192.0.2.1", port: 53 }])).toThrow("the node is closed");
  expect(() => node.apply([NETWORK, container("one", "10.5.0.10"), sandbox("late", "127.0.0.1", 0)])).toThrow("closed");
  await expect(node.ready()).rejects.toThrow("closed");
  await expect(node.applied()).rejects.toThrow("closed");
  await node.close();
  expect(files.map((fd) => fstatSync(fd).size).filter((size) => size > 0)).toEqual([]);
  for (const fd of files) closeSync(fd);
});

test("a node without sockets does not keep the process alive", () => {
  const index = new URL("../../dist/index.js", import.meta.url).href;
  const code = `import { createNode } from "${index}"; await createNode().ready(); console.log("ready");`;
  const { status, stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", code], { timeout: 20_000 });
  expect([status, String(stdout)]).toEqual([0, "ready\n"]);
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

/** A DNS server that cuts off every answer over UDP, and says NXDOMAIN over TCP. */
const CUTTING = `
const answer = (q, flags, rcode) => { q[2] |= flags; q[3] = rcode; return q; };
const udp = require("dgram").createSocket("udp4").on("message", (q, p) => udp.send(answer(q, 0x82, 0), p.port, p.address));
const frames = (q) => { for (let at = 0; at < q.length; at += 2 + q.readUInt16BE(at)) answer(q.subarray(at + 2), 0x80, 3); return q; };
require("net").createServer((s) => s.on("data", (q) => s.write(frames(q))))
  .listen(5353, "127.0.0.1", () => udp.bind(5353, "127.0.0.1", () => console.log("up")));
`;

describe.skipIf(withoutNamespaces())("an upstream in a sandbox's namespace, where a worker may not go", () => {
  test("is asked over UDP and TCP on sockets that it is handed; what fails there is told", async () => {
    const ns = new Namespaces();
    onTestFinished(() => ns.clean());
    await ns.add("a");
    await ns.ip("-n @a link set lo up");
    await ns.start("a", process.execPath, "-e", CUTTING);
    const node = createNode({ workers: 1 });
    onTestFinished(() => node.close());
    const put = sandbox("a", "127.0.0.11", 53, ns.path("a"));
    if (put.kind !== "sandbox.put") throw new Error();
    const upstreams = [{ address: "127.0.0.1", port: 5353 }];
    node.apply([NETWORK, container("one", "10.5.0.10"), { ...put, sandbox: { ...put.sandbox, upstreams } }]);
    await node.ready();
    const ask = (...words: string[]) => ns.exec("a", "dig", "@127.0.0.11", "+tries=1", ...words);
    expect(await Promise.all(["a.example", "b.example", "c.example"].map((n) => ask(n)))).toEqual(
      Array(3).fill(expect.stringContaining("status: NXDOMAIN")),
    );
    expect(await ask("+tcp", "d.example")).toContain("status: NXDOMAIN");
    expect(node.counters.forward).toMatchObject({ forwarded: 4, answered: 4, tcpRetries: 4 });

    node.apply([{ ...put, sandbox: { ...put.sandbox, upstreams: [{ address: "fd00::99", port: 53 }] } }]);
    await node.applied();
    expect(await ask("e.example")).toMatch(/status: SERVFAIL.*ENETUNREACH/s);
  });
});

describe.skipIf(!have("dig"))("a worker", () => {
  /** The worker that was spoken to last. */
  const spied = (): (() => Worker) => {
    let worker: Worker | undefined;
    const { postMessage } = Worker.prototype;
    vi.spyOn(Worker.prototype, "postMessage").mockImplementation(function (this: Worker, ...args) {
      worker = this;
      postMessage.apply(this, args);
    });
    return () => worker!;
  };

  test("that dies is replaced; its sockets, and what waits in them, are its successor's", async () => {
    const worker = spied();
    const notices: string[] = [];
    const port = await freePort();
    const node = createNode({ workers: 1, onNotice: (m) => notices.push(m) });
    onTestFinished(() => node.close());
    node.apply([NETWORK, container("one", "10.5.0.10"), sandbox("s", "127.0.0.1", port)]);
    await node.ready();
    expect(await asked(port, "+noedns", "one")).toBe("NOERROR qr aa rd ra | one. 5 A 10.5.0.10");
    const open = descriptors();
    const idle = Array.from({ length: 20 }, () => connect(port, "127.0.0.1"));
    await Promise.all(idle.map((c) => once(c, "connect")));
    expect(await asked(port, "+tcp", "+noedns", "one")).toBe("NOERROR qr aa rd ra | one. 5 A 10.5.0.10");
    const first = worker();
    void first.terminate(); // takes hold when the thread next runs JavaScript: the change below wakes it
    node.apply([container("two", "10.5.0.11")]);
    await once(first, "exit");
    expect(node.problems.size).toBe(0); // once is nothing
    expect(await asked(port, "+noedns", "one")).toBe("NOERROR qr aa rd ra | one. 5 A 10.5.0.10");
    expect(await asked(port, "+tcp", "+noedns", "two")).toBe("NOERROR qr aa rd ra | two. 5 A 10.5.0.11");
    expect(notices).toContain("a worker died; another has taken over its sockets");
    expect(node.counters.serve.answered).toBeGreaterThanOrEqual(3);
    await Promise.all(idle.map((c) => c.closed || once(c, "close"))); // what it had open is closed
    await eventually(descriptors, (n) => n <= open + 1);
  });

  test("that dies again and again is a problem of its sandboxes, until one lives", async () => {
    const worker = spied();
    const node = createNode({ workers: 1 });
    onTestFinished(() => node.close());
    node.apply([NETWORK, container("one", "10.5.0.10"), sandbox("s", "127.0.0.1", await freePort())]);
    await node.ready();
    for (let deaths = 1; deaths <= 3; deaths++) {
      const dying = worker();
      void dying.terminate();
      node.apply([container("two", `10.5.0.${20 + deaths}`)]);
      await once(dying, "exit");
      await eventually(worker, (w) => w !== dying);
    }
    expect([...node.problems].map(([id, { message }]) => `${id}: ${message}`)).toEqual([
      "s: the thread that answers for it dies again and again (3 times now)",
    ]);
    await eventually(
      () => node.problems.size,
      (n) => n === 0,
      15_000,
    );
  });

  test("that dies is no reason for names to come before the kernel has what is behind them", async () => {
    const posted: { readonly to: Worker; readonly text: string }[] = [];
    const { postMessage } = Worker.prototype;
    vi.spyOn(Worker.prototype, "postMessage").mockImplementation(function (this: Worker, ...args) {
      posted.push({ to: this, text: JSON.stringify(args[0]) });
      postMessage.apply(this, args);
    });
    let holds: Promise<void> | undefined;
    let release = (): void => {};
    const kernel = new FakeBackend();
    const apply = kernel.apply.bind(kernel);
    kernel.apply = async (...args) => {
      await holds;
      await apply(...args);
    };
    const port = await freePort();
    const node = createNode({ workers: 1, onNotice: () => {}, balance: { backend: kernel } });
    onTestFinished(() => {
      release();
      return node.close();
    });
    const one = sandbox("s", "127.0.0.1", port, "/proc/self/ns/net");
    node.apply([NETWORK, container("one", "10.5.0.10"), one]);
    await node.ready();
    const first = posted.at(-1)!.to;

    holds = new Promise((resolve) => {
      release = resolve;
    });
    void first.terminate();
    const began = performance.now();
    node.apply([
      { kind: "service.put", service: { id: "web", name: "web", networks: [{ network: "n", vip4: "10.5.0.2" }] } },
    ]);
    const packet = query("one A");
    const client = createSocket("udp4").unref();
    client.send(packet, port, "127.0.0.1"); // the worker wakes, and ends
    await once(first, "exit");
    const heard = posted.filter(({ to }) => to !== first).map(({ text }) => text);
    expect(performance.now() - began, "names wait for the kernel for a second at most").toBeLessThan(900);
    expect(heard.join(" ")).toContain("\\u0003one");
    expect(heard.join(" ")).not.toContain("\\u0003web");
    release();
    await node.applied();
    client.close();
    expect(await asked(port, "+noedns", "web")).toBe("NOERROR qr aa rd ra | web. 600 A 10.5.0.2");
  });

  test("that does not hear that it is to end is ended: whoever closes the node, or waits for it, goes on", async () => {
    const node = createNode({ workers: 1 });
    node.apply([NETWORK, container("one", "10.5.0.10"), sandbox("s", "127.0.0.1", await freePort())]);
    await node.ready();
    const { postMessage } = Worker.prototype;
    vi.spyOn(Worker.prototype, "postMessage").mockImplementation(function (this: Worker, ...args) {
      if ((args[0] as { kind: string }).kind !== "drain") postMessage.apply(this, args);
    });
    node.apply([container("two", "10.5.0.11")]);
    const waits = node.applied();
    await node.close();
    await waits;
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

test.skipIf(!have("dig")).each([0, 1])(
  "what upstreams have answered is forgotten when it is asked for, by %i workers",
  async (workers) => {
    const upstream = createSocket("udp4");
    onTestFinished(() => void upstream.close());
    let questions = 0;
    upstream.on("message", (question, { port, address }) => {
      questions++;
      const reply = Buffer.concat([
        question.subarray(0, questionEnd(question)),
        Buffer.from("c00c00010001000002580004c0000201", "hex"),
      ]);
      reply.writeUInt16BE(0x8180, 2);
      for (const [at, count] of [
        [4, 1],
        [6, 1],
        [8, 0],
        [10, 0],
      ] as const)
        reply.writeUInt16BE(count, at);
      upstream.send(reply, port, address);
    });
    upstream.bind(0, "127.0.0.1");
    await once(upstream, "listening");
    const { port } = upstream.address();
    const at = await freePort();
    const node = createNode({ workers, policy: { upstreams: [{ address: "127.0.0.1", port }] } });
    onTestFinished(() => node.close());
    const { upstreams: _, ...asking } = (sandbox("one", "127.0.0.1", at) as Extract<Change, { kind: "sandbox.put" }>)
      .sandbox;
    node.apply([NETWORK, container("one", "10.5.0.9"), { kind: "sandbox.put", sandbox: asking }]);
    await node.ready();
    const ask = () => asked(at, "+noedns", "kept.example");
    await ask();
    await ask();
    expect(questions).toBe(1);
    await node.inspect.flush();
    await ask();
    expect(questions).toBe(2);
  },
);

/** Offset behind the one question of a query. */
function questionEnd(query: Buffer): number {
  let at = 12;
  while (query[at] !== 0) at += query[at]! + 1;
  return at + 5;
}
