/** The node as people hold it: written through a store, listened to, looked at, closed. */
import { createSocket } from "node:dgram";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import DNS2 from "dns2";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { createNode, type ElevenNode } from "../../src/daemon.ts";
import type { NodeOptions } from "../../src/node/options.ts";
import { fileStore } from "../../src/registry/stores/file.ts";
import { memoryStore } from "../../src/registry/stores/memory.ts";
import { Plane } from "../../src/server/plane.ts";
import { query } from "../support/packets.ts";
import { changes } from "../support/world.ts";

const NET = "network n overlay 10.0.1.0/24";
const listening = (id: string, port: number, of = "c") => ({
  kind: "sandbox.put" as const,
  sandbox: { id, member: { kind: "container" as const, id: of }, listen: [{ address: "127.0.0.1", port }] },
});

const raise = () => {
  throw new Error("boom");
};

const nodes: ElevenNode[] = [];
const make = (options: NodeOptions = {}) => {
  const node = createNode({ workers: 0, ...options });
  nodes.push(node);
  return node;
};
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.close();
});

describe("write", () => {
  test("without a store it is what apply is", async () => {
    const node = make();
    expect([await node.write(changes(NET)), node.apply(changes("container c on n"))]).toEqual([1, 2]);
    await expect(node.write(changes("container d on nowhere"))).rejects.toMatchObject({ code: "unknown", index: 0 });
  });

  test("with one, nothing moves when it is opened again, and apply is refused", async () => {
    const directory = join(mkdtempSync(join(tmpdir(), "eleven-")), "store");
    const first = make({ store: fileStore({ directory }) });
    await first.write(changes(NET));
    await first.write(changes("container gone on n"));
    await first.write(changes("container c on n\n service web on n\n task web.1 on n"));
    expect(await first.write([{ kind: "container.remove", id: "gone" }])).toBe(4);
    expect(() => first.apply(changes("container d on n"))).toThrow(/has a store.*use write/);
    expect(() => first.apply([])).toThrow(expect.objectContaining({ name: "NodeError", code: "stored", op: "apply" }));
    const before = [
      ...first.state.tasks.values(),
      ...first.state.services.values(),
      ...first.state.containers.values(),
    ];
    await first.close();
    const second = make({ store: fileStore({ directory }) });
    await second.ready();
    expect([
      ...second.state.tasks.values(),
      ...second.state.services.values(),
      ...second.state.containers.values(),
    ]).toEqual(before);
    expect(second.state.containers.get("c")?.endpoints[0]?.ip4).toBe("10.0.1.3");
    await second.write(changes("sandbox c"));
    const { answers } = await second.answer(DNS2.Packet.parse(query("web A")), "c");
    expect(answers).toMatchObject([{ address: "10.0.1.4" }]);
  });

  test("what is refused is not stored, and a store that can't be opened says so to whoever waits", async () => {
    const store = memoryStore();
    const first = make({ store });
    await first.write(changes(NET));
    await expect(first.write(changes("container c on nowhere"))).rejects.toMatchObject({ code: "unknown" });
    const second = make({ store });
    for (const wait of [second.ready(), second.write([])]) await expect(wait).rejects.toMatchObject({ code: "open" });
    await second.close();
  });

  test("what is being written when it closes is written", async () => {
    const store = fileStore({ directory: join(mkdtempSync(join(tmpdir(), "eleven-")), "store") });
    const first = make({ store });
    await first.ready();
    const written = first.write(changes(NET));
    await undefined; // it has come to the store
    expect([await written, await first.close()]).toEqual([1, undefined]);
    const second = make({ store });
    await second.ready();
    expect(second.state.networks.size).toBe(1);
  });
});

describe("turns", () => {
  /** A store that writes when it is told; "a!" is a write that is alone. What is begun and done, in order. */
  const run = async (writes: string): Promise<string> => {
    const store = memoryStore();
    const said: string[] = [];
    const due: (() => void)[] = [];
    const write: typeof store.write = async (changes) => {
      const { name } = (changes[0] as { readonly network: { readonly name: string } }).network;
      await new Promise<void>((resolve) => due.push(resolve));
      said.push(`${name})`);
      return store.write(changes);
    };
    const node = make({ store: { ...store, write } });
    await node.ready();
    const all = writes.split(" ").map((word) => {
      const name = word.replace("!", "");
      const batch = () => {
        said.push(`(${name}`);
        return [{ kind: "network.put" as const, network: { name } }];
      };
      return node.write(batch, { alone: word.endsWith("!") });
    });
    let over = false;
    const done = Promise.all(all).finally(() => {
      over = true;
    });
    while (!over) {
      await new Promise(setImmediate);
      due.shift()?.();
    }
    await done;
    return said.join(" ");
  };

  test.each([
    ["a b c", "(a (b (c a) b) c)"],
    ["a! b c", "(a a) (b (c b) c)"],
    ["a b! c", "(a a) (b b) (c c)"],
    ["a b c! d e", "(a (b a) b) (c c) (d (e d) e)"],
    ["a! b! c", "(a a) (b b) (c c)"],
  ])("%s: %s", async (writes, said) => {
    expect(await run(writes)).toBe(said);
  });

  test("a batch that refuses itself takes nobody's turn", async () => {
    const node = make({ store: memoryStore() });
    const refused = node.write(raise, { alone: true });
    const next = node.write(({ revision }) => [{ kind: "network.put", network: { name: `n${revision}` } }]);
    await expect(refused).rejects.toThrow("boom");
    expect(await next).toBe(1);
    expect([...node.state.networks.keys()]).toEqual(["n0"]);
  });

  test("what waits for its turn when the node closes is refused", async () => {
    const store = memoryStore();
    let go = (): void => {};
    const slow = new Promise<void>((resolve) => {
      go = resolve;
    });
    const node = make({ store: { ...store, write: (changes) => slow.then(() => store.write(changes)) } });
    await node.ready();
    const [first, second] = [node.write(changes(NET), { alone: true }), node.write(changes("container c on n"))];
    const closed = node.close();
    go();
    await expect(second).rejects.toMatchObject({ code: "closed" });
    await Promise.allSettled([first, closed]);
  });

  test("rehearsed, it says what would become of each object, and nothing does", async () => {
    const node = make({ store: memoryStore() });
    await node.write(changes(NET));
    expect(node.rehearse(changes("service web on n"))).toMatchObject([
      { service: { networks: [{ vip4: "10.0.1.2" }] } },
    ]);
    expect(() => node.rehearse(changes("service web on m"))).toThrow(/there is no network "m"/);
    expect([node.state.revision, node.state.services.size]).toEqual([1, 0]);
  });
});

describe("close", () => {
  test("a store that can't be closed keeps nothing else from its end", async () => {
    const node = make({ store: { ...memoryStore(), close: () => Promise.reject(new Error("the disk is gone")) } });
    await node.write([...changes(`${NET}\n container c on n`), listening("s", 0)]);
    await node.ready();
    const { port, address } = node.listening("s")[0]!;
    await expect(node.close()).rejects.toThrow("the disk is gone");
    nodes.length = 0;
    const socket = createSocket("udp4");
    onTestFinished(() => void socket.close());
    await new Promise<void>((resolve, reject) => {
      socket.on("error", reject);
      socket.bind(port, address, resolve);
    });
  });

  test("a store that does not come to be open is not waited for", async () => {
    const open = (_: unknown, { signal }: { readonly signal?: AbortSignal | undefined } = {}) =>
      new Promise<void>((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
    const node = make({ store: { ...memoryStore(), open } });
    const waiting = [node.ready(), node.write([])].map((wait) =>
      expect(wait).rejects.toMatchObject({ code: "closed" }),
    );
    await node.close();
    await Promise.all(waiting);
  });
});

describe("events", () => {
  test("change says what became of it; taking all listeners off does not stop the resolver", async () => {
    const node = make();
    const said: string[] = [];
    node.on("change", ({ revision, changes: done }) => said.push(`${revision} ${done.map((c) => c.kind).join()}`));
    node.once("change", () => said.push("once"));
    node.apply(changes(`${NET}\n container c on n\n sandbox c`));
    node.apply(changes("container c state=paused on n"));
    expect(said).toEqual(["1 network.put,container.put,sandbox.put", "once", "2 container.put"]);
    node.removeAllListeners();
    node.apply(changes("container d on n"));
    const { answers } = await node.answer(DNS2.Packet.parse(query("d A")), "c");
    expect(answers).toHaveLength(1);
  });

  test("what a listener throws, at once or later, is a notice, and nobody else's matter", async () => {
    const notices: string[] = [];
    const node = make({ onNotice: (notice) => notices.push(notice) });
    const heard: number[] = [];
    node.on("change", () => {
      throw new Error("no");
    });
    node.on("change", () => Promise.reject(new Error("later")));
    node.on("change", ({ revision }) => heard.push(revision));
    expect(node.apply(changes(NET))).toBe(1);
    expect(heard).toEqual([1]);
    await vi.waitFor(() =>
      expect(notices).toEqual(['a listener of "change" has thrown: no', 'a listener of "change" has thrown: later']),
    );
  });

  test.each<[string, unknown]>([
    ["no prototype", Object.create(null)],
    ["a symbol", Symbol("no")],
    ["text that throws", { toString: () => raise() }],
    ["an error whose message throws", Object.defineProperty(new Error("no"), "message", { get: () => raise() })],
    ["nothing", undefined],
  ])("whatever it is: %s", async (_, thrown) => {
    const notices: string[] = [];
    const node = make({ onNotice: (notice) => notices.push(notice) });
    node.on("change", () => {
      throw thrown;
    });
    node.on("change", () => Promise.reject(thrown));
    expect(node.apply(changes(NET))).toBe(1);
    await vi.waitFor(() => expect(notices).toHaveLength(2));
  });

  test("once is once, also for one that applies more; ten thousand listeners are no burden", () => {
    const node = make();
    const heard: number[] = [];
    node.once("change", ({ revision }) => {
      heard.push(revision);
      node.apply(changes("container c on n"));
    });
    for (let i = 0; i < 10_000; i++) node.on("change", ({ revision }) => revision > 2 && heard.push(revision));
    const before = performance.now();
    node.apply(changes(NET));
    expect([heard, performance.now() - before < 500]).toEqual([[1], true]);
  });

  test("a listener that applies: all hear of the revisions in their order, each once", () => {
    const node = make();
    const heard: string[] = [];
    node.on("change", ({ revision }) => {
      heard.push(`first ${revision}`);
      if (revision === 1) heard.push(`applied ${node.apply(changes("container c on n"))}`);
      if (revision === 2) node.on("change", (later) => heard.push(`new ${later.revision}`));
    });
    const gone = ({ revision }: { readonly revision: number }) => heard.push(`gone ${revision}`);
    node.on("change", () => node.off("change", gone));
    node.on("change", gone);
    node.on("change", ({ revision }) => heard.push(`last ${revision}`));
    expect(node.apply(changes(NET))).toBe(1);
    expect(heard).toEqual(["first 1", "applied 2", "gone 1", "last 1", "first 2", "last 2"]);
    node.apply(changes("container d on n"));
    expect(heard.slice(6)).toEqual(["first 3", "last 3", "new 3"]);
  });

  test("without onNotice it is a warning of the process's", async () => {
    const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    onTestFinished(() => warned.mockRestore());
    const node = make();
    node.on("change", () => {
      throw new Error("no");
    });
    node.apply(changes(NET));
    expect(warned.mock.calls).toEqual([['a listener of "change" has thrown: no', "ElevenWarning"]]);
  });

  test("problem: when it comes, and when it is none any more", async () => {
    const taken = createSocket("udp4").bind(0, "127.0.0.1");
    await new Promise((done) => taken.once("listening", done));
    const node = make();
    const said: string[] = [];
    node.on("problem", (sandbox, problem) => said.push(`${sandbox}: ${problem?.message}`));
    node.apply([...changes(`${NET}\n container c on n`), listening("s", taken.address().port)]);
    await expect(node.ready()).rejects.toThrow("EADDRINUSE");
    await expect(node.ready()).rejects.toThrow("EADDRINUSE");
    expect([...node.problems.keys(), ...node.listening("s")]).toEqual(["s"]);
    await new Promise<void>((done) => taken.close(done));
    await vi.waitFor(() => expect(node.problems.size).toBe(0), 10_000);
    await node.ready();
    expect(node.listening("s")).toHaveLength(1);
    expect(said).toEqual([expect.stringContaining("s: bind"), "s: undefined"]);
  });

  test("upstream: when it stops answering, and when it answers again", async () => {
    const upstream = createSocket("udp4").bind(0, "127.0.0.1");
    await new Promise((done) => upstream.once("listening", done));
    const { port } = upstream.address();
    let silent = true;
    upstream.on("message", (q, peer) => {
      if (silent) return;
      upstream.send(
        Buffer.concat([q.subarray(0, 2), Buffer.from([0x81, 0x83]), q.subarray(4)]),
        peer.port,
        peer.address,
      );
    });
    const node = make({ policy: { upstreams: [{ address: "127.0.0.1", port }] }, forwarder: { cache: false } });
    const said: unknown[] = [];
    node.on("upstream", (status) => said.push(status));
    node.apply(changes(`${NET}\n container c on n\n sandbox c`));
    let n = 0;
    const ask = () => node.answer(DNS2.Packet.parse(query(`n${n++}.example A`)), "c").catch(() => undefined);
    void Promise.all([ask(), ask(), ask()]);
    await vi.waitFor(() => expect(said).toEqual([{ address: "127.0.0.1", port, state: "down" }]), 15_000);
    silent = false;
    await vi.waitFor(
      async () => {
        await ask();
        expect(said).toHaveLength(2);
      },
      { timeout: 15_000, interval: 200 },
    );
    expect(said[1]).toEqual({ address: "127.0.0.1", port, state: "up" });
    upstream.close();
  });
});

describe("what is shown", () => {
  test("can't be changed from outside", () => {
    const node = make();
    node.apply(changes(`${NET}\n service web on n\n task web.1 on n`));
    const { state } = node;
    expect(() => (state.tasks as Map<string, unknown>).clear()).toThrow(TypeError);
    expect(() => Map.prototype.clear.call(state.tasks)).toThrow(TypeError);
    expect(() => Object.assign(state, { tasks: new Map() })).toThrow(TypeError);
    for (const [id, task] of state.tasks) expect(() => Object.assign(task, { id: `${id}x` })).toThrow(TypeError);
    expect(() => (state.services.get("web")!.networks as unknown[]).push({})).toThrow(TypeError);
    (state.tasksOf.get("web") as Set<string>).clear();
    expect([...state.tasksOf.get("web")!]).toEqual(["web-1-id"]);
    expect([state.revision, state.tasks.size, state.tasks.has("web-1-id"), [...state.tasks.keys()]]).toEqual([
      ...[1, 1, true],
      ["web-1-id"],
    ]);
    node.apply(changes("task web.1 state=paused on n"));
    expect([state.revision, state.tasks.get("web-1-id")?.state]).toEqual([2, "paused"]);
  });

  test("a sandbox that nobody has put is an error; one that does not listen yet listens nowhere", async () => {
    const node = make();
    expect(() => node.listening("nobody")).toThrow(expect.objectContaining({ code: "unknown", op: "listening" }));
    node.apply([...changes(`${NET}\n container c on n`), listening("s", 0)]);
    expect(node.listening("s")).toEqual([]);
    await node.ready();
    expect(node.listening("s")).toHaveLength(1);
  });

  test("after close, every method says so, and closing again is fine", async () => {
    const node = make();
    const closing = node.close();
    const packet = DNS2.Packet.parse(query("web A"));
    const calls: readonly [op: string, call: () => unknown][] = [
      ["apply", () => node.apply([])],
      ["listening", () => node.listening("s")],
      ["setUpstreams", () => node.setUpstreams([])],
      ["write", () => node.write([])],
      ["applied", () => node.applied()],
      ["drained", () => node.drained()],
      ["ready", () => node.ready()],
      ["answer", () => node.answer(packet, "s")],
    ];
    for (const [op, call] of calls)
      await expect((async () => call())(), op).rejects.toMatchObject({ name: "NodeError", code: "closed", op });
    expect([await closing, await node.close(), node.state.revision]).toEqual([undefined, undefined, 0]);
  });

  test("a store that can't be closed is said, when everything else is closed", async () => {
    const store = { ...memoryStore(), close: () => Promise.reject(new Error("close: EIO")) };
    const node = createNode({ workers: 0, store });
    await node.write([...changes(`${NET}\n container c on n`), listening("s", 0)]);
    await node.ready();
    const { port } = node.listening("s")[0]!;
    await expect(node.close()).rejects.toThrow("close: EIO");
    const socket = createSocket("udp4");
    onTestFinished(() => void socket.close());
    await new Promise<void>((resolve, reject) => socket.once("error", reject).bind(port, "127.0.0.1", resolve));
  });

  test.each<[unknown, string]>([
    [undefined, "upstreams is missing"],
    [[null], "upstreams[0] must be an object, not null"],
    [[{}], "upstreams[0].address is missing"],
    [[{ address: "dns", port: 53 }], 'upstreams[0].address must be an IP address, not "dns"'],
    [[{ address: "192.0.2.1" }], "upstreams[0].port is missing"],
    [[{ address: "192.0.2.1", port: 0 }], "upstreams[0].port must be at least 1, not 0"],
    [[{ address: "192.0.2.1", port: 53, domains: 5 }], "upstreams[0].domains must be a list, not 5"],
    [[{ address: "192.0.2.1", port: 53, netns: 5 }], "upstreams[0].netns must be a string, not 5"],
  ])("upstreams %j are refused, and nothing is as they say", async (upstreams, message) => {
    const node = make();
    node.apply([...changes(`${NET}\n container c on n`), listening("s", 0)]);
    expect(() => node.setUpstreams(upstreams as [])).toThrow(`setUpstreams: ${message}`);
    expect(node.apply([listening("t", 0)])).toBe(2);
    const { header } = await node.answer(DNS2.Packet.parse(query("elsewhere.example A")), "s");
    expect(header.rcode).toBe(2);
    node.setUpstreams([{ address: "fe80::1%lo", port: 53 }]);
  });
});

describe("names that the data plane does not take", () => {
  const refusing = () => {
    const spy = vi.spyOn(Plane.prototype, "update").mockImplementationOnce(() => raise());
    onTestFinished(() => spy.mockRestore());
  };
  const ask = async (node: ElevenNode) => (await node.answer(DNS2.Packet.parse(query("c A")), "c")).answers.length;

  test.each<[string, (node: ElevenNode) => Promise<unknown>]>([
    ["asked for, with `applied`", (node) => node.applied()],
    ["that come later", async (node) => node.apply(changes("container d on n"))],
    [
      "with other upstreams",
      async (node) => node.setUpstreams([{ address: "127.0.0.1", port: 5353, domains: ["example"] }]),
    ],
  ])("are told of, and taken before those %s", async (_, next) => {
    const notices: string[] = [];
    const node = make({ onNotice: (notice) => notices.push(notice) });
    refusing();
    node.apply(changes(`${NET}\n container c on n\n sandbox c`));
    await vi.waitFor(() => expect(notices).toEqual(["names stay what they were until the next change: boom"]));
    await next(node);
    await vi.waitFor(async () => expect(await ask(node)).toBe(1));
  });

  test("keep `applied` from resolving", async () => {
    const node = make({ onNotice: () => {} });
    refusing();
    refusing();
    node.apply(changes(`${NET}\n container c on n\n sandbox c`));
    await expect(node.applied()).rejects.toThrow("boom");
    await node.applied();
    expect(await ask(node)).toBe(1);
  });
});
