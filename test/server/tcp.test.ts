/** DNS over TCP as misbehaving peers use it, over each transport. The times are the transport's own, made short through its options. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { libcProblem } from "../../src/os/libc.ts";
import type { Times } from "../../src/server/transports/connections.ts";
import { openTcp } from "../../src/server/transports/tcp.ts";
import type { Handler, Opened } from "../../src/server/transports/transport.ts";
import { query } from "../support/packets.ts";
import { openPolledTcp } from "../support/polled.ts";

/** Echoes with QR set; names that start with "later" are answered when told to. */
function echo(): Handler & { answerAll(): void; waiting: number } {
  const later: (() => void)[] = [];
  return {
    serve(packet, length, _from, _kind, out) {
      if (length < 12) return 0;
      if (packet[13] === 108) return -1; // 'l'
      for (let i = 0; i < length; i++) out[i] = packet[i]!;
      out[2] = packet[2]! | 0x80;
      return length;
    },
    forward(packet, _from, _kind, send) {
      later.push(() => send(packet));
    },
    failed() {},
    threw() {},
    answerAll() {
      for (const answer of later.splice(0)) answer();
    },
    get waiting() {
      return later.length;
    },
  };
}

const framed = (packet: Buffer): Buffer =>
  Buffer.concat([Buffer.from([packet.length >> 8, packet.length & 255]), packet]);

type Open = (handler: Handler, times?: Times) => Promise<Opened>;
const TRANSPORTS: [string, Open][] = [
  ["node's sockets", (handler, times) => openTcp("127.0.0.1", 0, handler, { times })],
];
if (libcProblem() === undefined) TRANSPORTS.push(["epoll", openPolledTcp]);

let opened: Opened | undefined;
let open: Open;
afterEach(() => opened?.close());

async function start(handler: Handler, times?: Times): Promise<() => Promise<Client>> {
  opened = await open(handler, times);
  const { port } = opened;
  return async () => {
    const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
    await once(socket, "connect");
    return new Client(socket);
  };
}

class Client {
  readonly socket: Socket;
  readonly ids: number[] = [];
  #got = Buffer.alloc(0);
  #changed = (): void => {};

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => {});
    socket.on("end", () => socket.end());
    socket.on("data", (chunk) => {
      this.#got = Buffer.concat([this.#got, chunk]);
      while (this.#got.length >= 2 && this.#got.length >= 2 + this.#got.readUInt16BE(0)) {
        this.ids.push(this.#got.readUInt16BE(2));
        this.#got = this.#got.subarray(2 + this.#got.readUInt16BE(0));
      }
      this.#changed();
    });
  }

  async answers(n: number): Promise<number[]> {
    while (this.ids.length < n) await new Promise<void>((done) => (this.#changed = done));
    return this.ids;
  }

  closed(): Promise<unknown> {
    if (this.socket.closed) return Promise.resolve();
    return new Promise((done) => this.socket.once("close", done)); // a reset is fine
  }
}

describe.each(TRANSPORTS)("TCP over %s", (_name, transport) => {
  beforeAll(() => {
    open = transport;
  });

  test("queries in one segment, and one in many segments", async () => {
    const client = await (await start(echo()))();
    client.socket.write(Buffer.concat([1, 2, 3].map((id) => framed(query("web A", { id })))));
    for (const octet of framed(query("web A", { id: 4 }))) client.socket.write(Buffer.from([octet]));
    expect(await client.answers(4)).toEqual([1, 2, 3, 4]);
  });

  test("answers overtake: who waits for an upstream holds up nobody", async () => {
    const handler = echo();
    const client = await (await start(handler))();
    client.socket.write(Buffer.concat([framed(query("later A", { id: 1 })), framed(query("web A", { id: 2 }))]));
    expect(await client.answers(1)).toEqual([2]);
    handler.answerAll();
    expect(await client.answers(2)).toEqual([2, 1]);
  });

  test("a client that has said all still gets its answers, then the connection ends", async () => {
    const handler = echo();
    const client = await (await start(handler))();
    client.socket.end(Buffer.concat([framed(query("later A", { id: 1 })), framed(query("web A", { id: 2 }))]));
    await client.answers(1);
    handler.answerAll();
    await client.closed();
    expect(client.ids).toEqual([2, 1]);
  });

  test.each([
    ["nothing", Buffer.alloc(0)],
    ["a length and nothing more (CVE-2026-35406)", Buffer.from([0, 40])],
    ["a query without its end", framed(query("web A")).subarray(0, 20)],
    ["an empty message", Buffer.from([0, 0])],
  ])("a client that sends %s is dropped in time, and others are served meanwhile", async (_, bytes) => {
    const connect = await start(echo(), { first: 100, idle: 100 });
    const idle = await connect();
    idle.socket.write(bytes);
    const other = await connect();
    other.socket.write(framed(query("web A", { id: 9 })));
    expect(await other.answers(1)).toEqual([9]);
    await idle.closed();
  });

  test("a client that drips octets is dropped as if it sent none", async () => {
    const connect = await start(echo(), { first: 150, idle: 150 });
    const slow = await connect();
    const drip = setInterval(() => slow.socket.write(Buffer.from([0])), 20);
    slow.socket.write(Buffer.from([255, 255]));
    await slow.closed();
    clearInterval(drip);
    expect(slow.ids).toEqual([]);
  });

  test("128 unanswered questions, and no more is read until one is answered", async () => {
    const handler = echo();
    const client = await (await start(handler))();
    client.socket.write(Buffer.concat(Array.from({ length: 300 }, (_, id) => framed(query("later A", { id })))));
    await vi.waitFor(() => expect(handler.waiting).toBe(128));
    const probe = await (await connectAgain())();
    probe.socket.write(framed(query("web A", { id: 1 })));
    await probe.answers(1);
    expect(handler.waiting).toBe(128);
    handler.answerAll();
    await client.answers(128);
    while (client.ids.length < 300) {
      handler.answerAll();
      await client.answers(Math.min(300, client.ids.length + 1));
    }
    expect(new Set(client.ids).size).toBe(300);
  });

  test("1 000 questions that are answered at once (from the cache, say), in one write: one answer each", async () => {
    const cached: Handler = { ...echo(), forward: (packet, _from, _kind, send) => send(packet) };
    const client = await (await start(cached))();
    const ids = Array.from({ length: 1000 }, (_, id) => id);
    client.socket.end(Buffer.concat(ids.map((id) => framed(query("later A", { id })))));
    await client.closed();
    expect(client.ids).toEqual(ids);
  });

  test("a client that reads nothing: about 1 MiB waits for it, then it is read no more; once it reads, it gets all", async () => {
    const large = {
      ...echo(),
      serve: (_packet: Uint8Array, _length: number, _f: string, _k: string, out: Uint8Array) => {
        out[0] = served >> 8;
        out[1] = served++;
        return 60_000;
      },
    };
    let served = 0;
    const client = await (await start(large))();
    client.socket.pause();
    client.socket.write(Buffer.concat(Array.from({ length: 400 }, () => framed(query("web A")))));
    const stopped = await settled(() => served);
    expect(stopped).toBeGreaterThan(16);
    expect(stopped).toBeLessThan(300); // what the kernel's buffers take comes on top of ours
    client.socket.resume();
    expect((await client.answers(400)).at(-1)).toBe(399);
  });

  test("an exception costs its connection, and no other", async () => {
    const threw: unknown[] = [];
    const handler: Handler = {
      ...echo(),
      serve(packet, length, ...rest) {
        if (packet[13] === 98) throw new Error("boom"); // 'b'
        return echo().serve(packet, length, ...rest);
      },
      threw: (error) => threw.push(error),
    };
    const connect = await start(handler);
    const [bad, good] = [await connect(), await connect()];
    bad.socket.write(Buffer.concat([framed(query("web A", { id: 1 })), framed(query("bad A", { id: 2 }))]));
    await bad.closed();
    good.socket.write(framed(query("web A", { id: 3 })));
    expect([await good.answers(1), String(threw)]).toEqual([[3], "Error: boom"]);
  });

  test("a peer that resets its connection while it has questions open harms nobody", async () => {
    const handler = echo();
    const connect = await start(handler);
    const rude = await connect();
    rude.socket.write(framed(query("later A", { id: 1 })));
    await vi.waitFor(() => expect(handler.waiting).toBe(1));
    rude.socket.resetAndDestroy();
    const other = await connect();
    other.socket.write(framed(query("web A", { id: 2 })));
    await other.answers(1);
    handler.answerAll();
    other.socket.write(framed(query("web A", { id: 3 })));
    expect(await other.answers(2)).toEqual([2, 3]);
  });

  test("the 513th connection takes the place of the longest idle one", async () => {
    const connect = await start(echo());
    const clients: Client[] = [];
    for (let i = 0; i < 512; i++) clients.push(await connect());
    clients[0]!.socket.write(framed(query("web A", { id: 7 })));
    await clients[0]!.answers(1); // so the second is now the longest idle
    clients.push(await connect());
    await clients[1]!.closed();
    clients[512]!.socket.write(framed(query("web A", { id: 8 })));
    expect(await clients[512]!.answers(1)).toEqual([8]);
    for (const c of clients) c.socket.destroy();
  });
});

/** Another connection to the listener that is open. */
async function connectAgain(): Promise<() => Promise<Client>> {
  const { port } = opened!;
  return async () => {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    return new Client(socket);
  };
}

/** What it says once it has said the same for a while. */
async function settled(look: () => number): Promise<number> {
  for (let seen = -1, since = Date.now(); ; await new Promise((done) => setTimeout(done, 10))) {
    if (look() !== seen) [seen, since] = [look(), Date.now()];
    if (seen > 0 && Date.now() - since > 200) return seen;
  }
}
