/** The composed node: changes in, answers out, without a command around it. */
import { createSocket } from "node:dgram";
import DNS2 from "dns2";
import { afterEach, describe, expect, test } from "vitest";
import { createNode, type ElevenNode } from "../../src/daemon.ts";
import type { Change } from "../../src/model/types.ts";
import { askTcp, askUdp } from "../support/ask.ts";
import { query, told } from "../support/packets.ts";
import { changes } from "../support/world.ts";

const WORLD = `
  network n overlay 10.0.1.0/24
  network m overlay 10.0.2.0/24
  service web on n
  task web.1 on n
  container c on n
  container d on m
`;

let node: ElevenNode;
afterEach(() => node.close());

const sandbox = (id: string, of: string, listen: object[]) => ({
  kind: "sandbox.put" as const,
  sandbox: {
    id,
    member: { kind: "container" as const, id: of },
    listen: listen as { address: string; port: number }[],
    upstreams: [],
  },
});

describe("a node", () => {
  test("answers from the new state when apply returns", async () => {
    node = createNode();
    node.apply([...changes(WORLD), sandbox("s", "c", [])]);
    const ask = async () =>
      told(Buffer.from((await node.answer(DNS2.Packet.parse(query("tasks.web A")), "s")).toBuffer())).answers;
    expect(await ask()).toEqual(["tasks.web 5 A 10.0.1.3"]);
    node.apply(changes("task web.2 on n"));
    expect(await ask()).toEqual(["tasks.web 5 A 10.0.1.3", "tasks.web 5 A 10.0.1.5"]);
    node.apply([{ kind: "task.remove", id: "web-1-id" }]);
    expect(await ask()).toEqual(["tasks.web 5 A 10.0.1.5"]);
  });

  test("goes on when who is told of something throws", async () => {
    node = createNode({
      onNotice: () => {
        throw new Error("the log is full");
      },
    });
    const gone = sandbox("gone", "c", [{ address: "127.0.0.11", port: 53 }]);
    node.apply([...changes(WORLD), { ...gone, sandbox: { ...gone.sandbox, netns: "/nonexistent" } }]);
    await node.ready();
    expect([...node.problems.keys()]).toEqual(["gone"]);
    node.apply([{ kind: "sandbox.remove", id: "gone" }]);
    await node.ready();
    expect(node.problems.size).toBe(0);
  });

  test("opens, moves and closes its sandboxes' sockets as changes come", async () => {
    node = createNode();
    node.apply([...changes(WORLD), sandbox("s", "c", [{ address: "127.0.0.1", port: 0 }])]);
    await node.ready();
    const [first] = node.listening("s");
    expect(told((await askUdp(first!, query("web A")))!).answers).toEqual(["web 600 A 10.0.1.2"]);
    expect(told((await askTcp(first!, query("web A")))!).answers).toEqual(["web 600 A 10.0.1.2"]);
    node.apply([sandbox("s", "c", [{ address: "127.0.0.2", port: 0 }])]);
    await node.ready();
    const [second] = node.listening("s");
    expect(second?.address).toBe("127.0.0.2");
    await expect(askTcp(first!, query("web A"))).rejects.toThrow("ECONNREFUSED");
    node.apply([{ kind: "sandbox.remove", id: "s" }]);
    await node.ready();
    await expect(askTcp(second!, query("web A"))).rejects.toThrow("ECONNREFUSED");
  });

  test("a sandbox with other upstreams keeps its sockets, and with them what waits there", async () => {
    const put = sandbox("s", "c", [{ address: "127.0.0.1", port: 0 }]);
    node = createNode();
    node.apply([...changes(WORLD), put]);
    await node.ready();
    const before = node.listening("s");
    const upstreams = [{ address: "127.0.0.1", port: 9 }];
    node.apply([{ ...put, sandbox: { ...put.sandbox, upstreams, search: ["a.test"] } }]);
    await node.ready();
    expect(node.listening("s")).toEqual(before);
  });

  test("a taken port is an error for whoever waits, and the node goes on", async () => {
    const taken = createSocket("udp4").bind(0, "127.0.0.1");
    await new Promise((done) => taken.once("listening", done));
    const { port } = taken.address();
    node = createNode();
    node.apply([
      ...changes(WORLD),
      sandbox("s", "c", [{ address: "127.0.0.1", port }]),
      sandbox("t", "c", [{ address: "127.0.0.1", port: 0 }]),
    ]);
    await expect(node.ready()).rejects.toThrow("EADDRINUSE");
    expect(told((await askUdp(node.listening("t")[0]!, query("web A")))!).answers).toEqual(["web 600 A 10.0.1.2"]);
    taken.close();
  });

  test("sandboxes on one address are told apart by who asks, and a stranger is refused", async () => {
    node = createNode();
    node.apply([...changes(WORLD), sandbox("s", "c", [{ address: "127.0.0.1", port: 0, source: ["127.0.0.1"] }])]);
    await node.ready();
    const { port } = node.listening("s")[0]!;
    node.apply([sandbox("t", "d", [{ address: "127.0.0.1", port, source: ["127.1.0.0/16"] }])]);
    await node.ready();
    const from = async (address: string) => {
      const socket = createSocket("udp4").bind(0, address);
      const reply = new Promise<Buffer>((done) => socket.once("message", done));
      socket.send(query("d A"), port, "127.0.0.1");
      const { rcode, answers } = told(await reply);
      socket.close();
      return `${rcode} ${answers.join()}`.trim();
    };
    expect([await from("127.0.0.1"), await from("127.1.2.3"), await from("127.2.0.1")]).toEqual([
      "SERVFAIL", // d is not on c's network, and there is no upstream
      "NOERROR d 5 A 10.0.2.2",
      "REFUSED",
    ]);
  });

  test("new upstreams are used from the next question on", async () => {
    const upstream = createSocket("udp4").bind(0, "127.0.0.1");
    await new Promise((done) => upstream.once("listening", done));
    upstream.on("message", (q, peer) =>
      upstream.send(
        Buffer.concat([q.subarray(0, 2), Buffer.from([0x81, 0x83]), q.subarray(4)]),
        peer.port,
        peer.address,
      ),
    );
    node = createNode();
    node.apply([...changes(WORLD), ...changes("sandbox c")]);
    const ask = async () => (await node.answer(DNS2.Packet.parse(query("example.com A")), "c")).header.rcode;
    expect(await ask()).toBe(2);
    node.setUpstreams([{ address: "127.0.0.1", port: upstream.address().port }]);
    expect(await ask()).toBe(3);
    upstream.close();
  });
});

describe("what a stranger found", () => {
  const asked = async (question: string, ask: Parameters<typeof query>[1], compat: "none" | "docker" = "none") => {
    node = createNode({ policy: { compat } });
    node.apply(changes(`${WORLD} service two port=http:80/tcp,https:443/tcp on n\n sandbox c`));
    const put = (labels: Record<string, string>) => ({ ...node.state.services.get("web")!, labels });
    node.apply([{ kind: "service.put", service: put({ long: "x".repeat(300) }) }]);
    node.setUpstreams([], { ndots: true });
    return told(Buffer.from((await node.answer(DNS2.Packet.parse(query(question, ask)), "c")).toBuffer()));
  };

  test("SRV of two ports on one target: its address is told once", async () => {
    const { answers, additional } = await asked("_two._tcp SRV", {});
    expect([answers.length, additional]).toEqual([2, ["two.n 600 A 10.0.1.5"]]);
  });

  test("a label of 300 octets: all of it, in two strings", async () => {
    expect((await asked("web TXT", { edns: 4096 })).answers.join()).toContain("x".repeat(250));
    const raw = await node.answer(DNS2.Packet.parse(query("web TXT", { edns: 4096 })), "c");
    expect(raw.toBuffer().toString("latin1").match(/x/g)).toHaveLength(300);
  });

  test("compat docker: an EDNS version is nothing to it", async () => {
    expect(await asked("web A", { edns: 1232, version: 1 }, "docker")).toMatchObject({
      rcode: "NOERROR",
      edns: undefined,
    });
    expect(await asked("web A", { edns: 1232, version: 1 })).toMatchObject({ rcode: "BADVERS" });
  });

  test("a resolv.conf with an ndots option: unknown single labels stay here, others do not", async () => {
    expect(await asked("single A", {})).toMatchObject({ rcode: "NOERROR", answers: [] });
    expect(await asked("not.single A", {})).toMatchObject({ rcode: "SERVFAIL" });
  });
});

test("off loopback, no UDP answer is above 1232 octets, whatever the client says", async () => {
  node = createNode();
  const tasks = Array.from({ length: 200 }, (_, i) => `task rr.${i + 1} on n`).join("\n");
  node.apply([
    ...changes(`${WORLD}\n service rr dnsrr on n\n${tasks}`),
    sandbox("s", "c", [{ address: "0.0.0.0", port: 0 }]),
    sandbox("t", "c", [{ address: "127.0.0.1", port: 0 }]),
  ]);
  await node.ready();
  const size = async (id: string, edns: number) =>
    (await askUdp({ address: "127.0.0.1", port: node.listening(id)[0]!.port }, query("rr A", { edns })))!.length;
  expect(await size("s", 65_535)).toBeGreaterThan(1200);
  expect(await size("s", 65_535)).toBeLessThanOrEqual(1232);
  expect(await size("t", 65_535)).toBeGreaterThan(3200); // loopback: all 200
  expect(await size("t", 100)).toBeLessThanOrEqual(512);
});

test("a silent upstream and 3 000 questions for it: the surplus is refused at once, and local answers do not wait", async () => {
  const silent = createSocket("udp4").bind(0, "127.0.0.1");
  await new Promise((done) => silent.once("listening", done));
  node = createNode({ policy: { upstreams: [{ address: "127.0.0.1", port: silent.address().port }] } });
  node.apply([...changes(WORLD), { ...sandbox("s", "c", [{ address: "127.0.0.1", port: 0 }]) }].map(withoutUpstreams));
  await node.ready();
  const at = node.listening("s")[0]!;
  const client = createSocket({ type: "udp4", recvBufferSize: 1 << 21 });
  let refused = 0;
  const overflowed = new Promise<void>((done) => {
    client.on("message", (reply) => {
      if ((reply[3]! & 15) === 5 && ++refused === 3_000 - 1_024) done();
    });
  });
  for (let i = 0; i < 3_000; i++) {
    client.send(query(`n${i}.example A`), at.port, at.address);
    if (i % 100 === 0) await askUdp(at, query("web A")); // keeps the burst within the socket's buffer
  }
  await overflowed;
  const started = performance.now();
  expect(told((await askUdp(at, query("web A")))!).answers).toEqual(["web 600 A 10.0.1.2"]);
  expect(performance.now() - started).toBeLessThan(100);
  expect(node.counters.forward.refusedOverLimit).toBe(3_000 - 1_024);
  client.close();
  silent.close();
});

/** The sandbox then uses the node's own upstreams. */
function withoutUpstreams(change: Change): Change {
  if (change.kind !== "sandbox.put") return change;
  const { upstreams: _, ...rest } = change.sandbox;
  return { kind: "sandbox.put", sandbox: rest };
}
