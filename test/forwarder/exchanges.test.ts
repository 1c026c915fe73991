/** What every exchange does with sockets, whoever drives it: node's event loop, or a worker's epoll. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { Exchange, ExchangeEvents } from "../../src/forwarder/core/exchange.ts";
import { createNodeExchange } from "../../src/forwarder/io/sockets.ts";
import { libcProblem } from "../../src/os/libc.ts";
import { framed } from "../../src/wire/frames.ts";
import { openPollExchange } from "../support/polled.ts";

const exchanges: [name: string, open: (events: ExchangeEvents) => [Exchange, () => void], skipped: boolean][] = [
  ["node's", (events) => [createNodeExchange(events), () => {}], false],
  ["a worker's", openPollExchange, libcProblem() !== undefined],
];

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

describe.each(exchanges)("%s exchange", (_name, open, skipped) => {
  /** Events as text, in order. */
  function opened(): [exchange: Exchange, told: string[]] {
    const told: string[] = [];
    const [exchange, stop] = open({
      received: (lane, packet) => told.push(`${lane} received ${Buffer.from(packet)}`),
      failed: (lane, reason) => {
        told.push(`${lane} failed ${reason}`);
        exchange.close(lane); // as the forwarder does; until then a worker's epoll says it again and again
      },
    });
    ends.push(stop);
    return [exchange, told];
  }

  /** A TCP server, and its first connection. */
  async function server(): Promise<[port: number, connection: Promise<Socket>]> {
    const listening = createServer().listen(0, "127.0.0.1");
    await once(listening, "listening");
    ends.push(() => listening.close());
    const connection = once(listening, "connection").then(([socket]) => socket as Socket);
    return [(listening.address() as AddressInfo).port, connection];
  }

  test.skipIf(skipped)("a datagram goes out and comes back; one too many is nobody's", async () => {
    const echo = createSocket("udp4").bind(0, "127.0.0.1");
    await once(echo, "listening");
    echo.on("message", (packet, peer) => echo.send(packet, peer.port, peer.address));
    ends.push(() => echo.close());
    const [exchange, told] = opened();
    exchange.open(1, "udp", "127.0.0.1", echo.address().port, undefined);
    exchange.send(1, Buffer.from("ask"));
    exchange.send(2, Buffer.from("no such lane"));
    await vi.waitFor(() => expect(told).toEqual(["1 received ask"]));
    exchange.close(1);
  });

  test.skipIf(skipped)("messages over TCP, cut and glued by the network", async () => {
    const [port, connection] = await server();
    const [exchange, told] = opened();
    exchange.open(1, "tcp", "127.0.0.1", port, undefined);
    for (const message of ["one", "two"]) exchange.send(1, Buffer.from(message));
    const socket = await connection;
    const seen: Buffer[] = [];
    socket.on("data", (octets) => seen.push(octets));
    const asked = Buffer.concat(["one", "two"].map((message) => framed(Buffer.from(message))));
    await vi.waitFor(() => expect(Buffer.concat(seen)).toEqual(asked));
    socket.setNoDelay(true).write(asked.subarray(0, 6));
    await vi.waitFor(() => expect(told).toEqual(["1 received one"]));
    socket.write(Buffer.concat([asked.subarray(6), asked]));
    await vi.waitFor(() => expect(told.slice(1)).toEqual(["1 received two", "1 received one", "1 received two"]));
    exchange.close(1);
    socket.destroy();
  });

  test.skipIf(skipped)("a server that ends the connection is told of, and one that is not there", async () => {
    const [port, connection] = await server();
    const [exchange, told] = opened();
    exchange.open(1, "tcp", "127.0.0.1", port, undefined);
    exchange.send(1, Buffer.from("ask"));
    const socket = await connection;
    socket.resume().end();
    await vi.waitFor(() => expect(told).toEqual(["1 failed connection closed"]));
    exchange.open(2, "udp", "127.0.0.1", port, undefined); // that is TCP's
    exchange.send(2, Buffer.from("ask"));
    await vi.waitFor(() => expect(told.slice(1)).toEqual(["2 failed ECONNREFUSED"]));
  });

  test.skipIf(skipped)("a server that takes nothing in is given up before much waits for it", async () => {
    const [port, connection] = await server();
    const [exchange, told] = opened();
    exchange.open(1, "tcp", "127.0.0.1", port, undefined);
    for (let i = 0; i < 300; i++) exchange.send(1, Buffer.alloc(500));
    await vi.waitFor(() => expect(told[0]).toBe("1 failed takes no more questions"));
    void connection.then((socket) => socket.destroy());
  });
});
