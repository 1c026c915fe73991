/** DNS over TCP as misbehaving peers use it. The times are the transport's own, made short through its options. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { openTcp } from "../../src/server/transports/tcp.ts";
import type { Handler, Opened } from "../../src/server/transports/transport.ts";
import { query } from "../support/packets.ts";

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

let opened: Opened | undefined;
afterEach(() => opened?.close());

async function start(handler: Handler, times?: { first: number; idle: number }): Promise<() => Promise<Client>> {
  opened = await openTcp("127.0.0.1", 0, handler, times && { times });
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
    return this.socket.closed ? Promise.resolve() : once(this.socket, "close");
  }
}

describe("TCP", () => {
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
    const open = await start(echo(), { first: 100, idle: 100 });
    const idle = await open();
    idle.socket.write(bytes);
    const other = await open();
    other.socket.write(framed(query("web A", { id: 9 })));
    expect(await other.answers(1)).toEqual([9]);
    await idle.closed();
  });

  test("a client that drips octets is dropped as if it sent none", async () => {
    const open = await start(echo(), { first: 150, idle: 150 });
    const slow = await open();
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

  test("the 513th connection takes the place of the longest idle one", async () => {
    const open = await start(echo());
    const clients: Client[] = [];
    for (let i = 0; i < 512; i++) clients.push(await open());
    clients[0]!.socket.write(framed(query("web A", { id: 7 })));
    await clients[0]!.answers(1); // so the second is now the longest idle
    clients.push(await open());
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
