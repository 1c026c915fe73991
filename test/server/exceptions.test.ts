/** An exception in serving one packet costs that packet: nobody's tables throw, so here a name does. */
import { createSocket } from "node:dgram";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { ForwardReply } from "../../src/forwarder/core/types.ts";
import { createForwarder } from "../../src/forwarder/io/node-loop.ts";
import { libcProblem } from "../../src/os/libc.ts";
import { bindUdp, closeFd, listenTcp } from "../../src/os/socket.ts";
import { Compiler } from "../../src/scoping/compile.ts";
import { Scope } from "../../src/scoping/scope.ts";
import { Answerer } from "../../src/server/answerer.ts";
import { inlinePlane } from "../../src/server/inline-plane.ts";
import { Senders } from "../../src/server/senders.ts";
import { createServing, LATER } from "../../src/server/serve.ts";
import { askTcp, askUdp } from "../support/ask.ts";
import { query, told } from "../support/packets.ts";
import { changes, stateOf } from "../support/world.ts";

const WORLD = "network n overlay 10.0.0.0/16\n container c on n ip=10.0.1.9\n sandbox c";
const calls = libcProblem() === undefined;

/** Both sockets opened by hand, as in a namespace; on another port if somebody has this one for TCP. */
const sockets = async () => {
  for (let tries = 0; ; tries++) {
    const udp = bindUdp("127.0.0.1", 0);
    try {
      return { udp: udp.fd, tcp: listenTcp("127.0.0.1", udp.port).fd, port: udp.port };
    } catch (error) {
      closeFd(udp.fd);
      if (tries === 16) throw error;
    }
  }
};

afterEach(() => vi.restoreAllMocks());

describe.each([
  ["node's sockets", {}],
  ...(calls
    ? ([
        ["node's sockets, opened by hand", { sockets }],
        ["batches", { sockets, batched: true }],
      ] as const)
    : []),
] as const)("over %s, a scope that throws", (_name, options) => {
  test("costs each packet that meets it, is counted each time and told once", async () => {
    const lookup = Scope.prototype.lookup;
    vi.spyOn(Scope.prototype, "lookup").mockImplementation(function (this: Scope, key, type) {
      if (key.startsWith("\x03bad")) throw new Error("boom");
      return lookup.call(this, key, type);
    });
    const errors: string[] = [];
    const serving = createServing({ compat: "none", negativeTtl: 5, identity: { version: "v", id: "i" } });
    const plane = inlinePlane({
      serving,
      forwarder: createForwarder(),
      ...options,
      onError: ({ message }) => errors.push(message),
    });
    plane.update(new Compiler().compile(stateOf(changes(WORLD)), "all"));
    const [at] = await plane.attach("c", [{ address: "127.0.0.1", port: 0 }]);

    const burst = createSocket("udp4");
    const ids: number[] = [];
    burst.on("message", (reply) => ids.push(reply.readUInt16BE(0)));
    for (let id = 1; id <= 20; id++) burst.send(query(id % 5 === 0 ? "bad A" : "c A", { id }), at!.port, at!.address);
    await vi.waitFor(() => expect(ids).toHaveLength(16));
    expect(ids.filter((id) => id % 5 === 0)).toEqual([]);
    burst.close();
    expect(await askTcp(at!, query("bad A"))).toBeUndefined(); // closed
    for (const ask of [askUdp, askTcp])
      expect(told((await ask(at!, query("c A")))!).answers).toEqual(["c 5 A 10.0.1.9"]);

    expect(plane.counters.serve.errors).toBe(5);
    expect(errors).toEqual([expect.stringMatching(/^a query was not answered: boom \(at .*exceptions\.test\.ts.*\)/)]);
    await plane.close();
  });
});

test("what throws where an upstream's answer is handed to a client stays there: the forwarder has others to reply to", () => {
  const replies: ForwardReply[] = [];
  const serving = createServing({ compat: "none", negativeTtl: 5, identity: { version: "v", id: "i" } });
  const errors: string[] = [];
  const forwarder = { forward: (_request: unknown, reply: ForwardReply) => void replies.push(reply) };
  const answerer = new Answerer(serving, forwarder, ({ message }) => errors.push(message));
  answerer.update(new Compiler().compile(stateOf(changes(WORLD)), "all"));
  const senders = new Senders();
  senders.add("c", undefined);
  const handler = answerer.handler("127.0.0.1", senders);
  const out = Buffer.alloc(4096);
  const packet = query("other.example A");
  expect(handler.serve(packet, packet.length, "127.0.0.1", "udp", out)).toBe(LATER);
  handler.forward(packet, "127.0.0.1", "udp", () => {
    throw new Error("boom");
  });
  replies[0]!({ rcode: 2, ede: 0, text: "" });
  expect([serving.counters.errors, errors.length]).toEqual([1, 1]);
});
