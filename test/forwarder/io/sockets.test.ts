import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { Lanes } from "../../../src/forwarder/core/lanes.ts";
import { type ForwardFailure, STREAM } from "../../../src/forwarder/core/types.ts";
import { createForwarder, type NodeForwarder } from "../../../src/forwarder/io/node-loop.ts";
import { nameKey } from "../../../src/model/name.ts";
import { type Ask, query, told, wireName } from "../../support/packets.ts";

const DNSMASQ = "/usr/sbin/dnsmasq";
const absent = !existsSync(DNSMASQ) && !process.env["CI"];
if (absent) console.warn(`skipped: ${DNSMASQ} is not installed, there is no real server to forward to`);

/** A port that is free for UDP and TCP now; nobody else on this loopback address is likely to take it within the second. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      const socket = createSocket("udp4");
      socket.once("error", reject);
      socket.bind(port, "127.0.0.1", () => socket.close(() => server.close(() => resolve(port))));
    });
  });
}

const REQUEST = { dnssecOk: false, limit: STREAM, from: "127.0.0.1", asker: "a" };

function ask(
  forwarder: NodeForwarder,
  port: number,
  question: string,
  options: Ask = {},
): Promise<Uint8Array | ForwardFailure> {
  const packet = query(question, options);
  const [name = ""] = question.split(" ");
  const questionEnd = 12 + wireName(name).length + 4;
  const key = nameKey(name) + packet.toString("latin1", questionEnd - 4, questionEnd);
  const upstreams = [{ address: "127.0.0.1", port }];
  const edns = packet.length > questionEnd;
  return new Promise((resolve) =>
    forwarder.forward({ ...REQUEST, packet, questionEnd, question: key, edns, upstreams }, resolve),
  );
}

describe.skipIf(absent)("a real dnsmasq", () => {
  let server: ChildProcess;
  let port = 0;
  let forwarder: NodeForwarder;
  const long = "x".repeat(200);

  beforeAll(async () => {
    port = await freePort();
    const records = [
      "--host-record=web.test,192.0.2.7",
      ...[1, 2, 3, 4, 5, 6, 7].map((n) => `--txt-record=big.test,${n}${long}`),
    ];
    const quiet = [
      "--conf-file=/dev/null",
      "--no-resolv",
      "--no-hosts",
      "--pid-file=",
      "--user=root",
      "--log-facility=-",
    ];
    const listen = [
      "--listen-address=127.0.0.1",
      "--bind-interfaces",
      `--port=${port}`,
      "--local=/test/",
      "--local-ttl=60",
    ];
    // Not --no-daemon: then it would serve nobody else as long as our TCP connection is open.
    server = spawn(DNSMASQ, ["--keep-in-foreground", ...quiet, ...listen, ...records], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let log = "";
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.once("exit", () => reject(new Error(`dnsmasq ended: ${log}`)));
      server.stderr!.on("data", (chunk: Buffer) => {
        log += chunk.toString();
        if (log.includes("started, version")) resolve();
      });
    });
    forwarder = createForwarder();
  });

  afterAll(() => {
    forwarder?.close();
    server?.kill();
  });

  test("an answer, then the same from the cache", async () => {
    const first = told((await ask(forwarder, port, "web.test A", { id: 1 })) as Uint8Array);
    expect([first.id, first.rcode, first.answers]).toEqual([1, "NOERROR", ["web.test 60 A 192.0.2.7"]]);
    const second = told((await ask(forwarder, port, "WEB.test A", { id: 2 })) as Uint8Array);
    expect([second.id, second.question, second.rcode]).toEqual([2, "WEB.test A", "NOERROR"]);
    expect(forwarder.counters.cacheHits).toBe(1);
  });

  test("NXDOMAIN", async () => {
    expect(told((await ask(forwarder, port, "no.test A")) as Uint8Array).rcode).toBe("NXDOMAIN");
  });

  test("truncated over UDP, whole over TCP, by way of one connection", async () => {
    const asked = Array.from({ length: 20 }, (_, id) =>
      ask(forwarder, port, "big.test TXT", { id, cd: id % 2 === 0, ad: id % 4 < 2 }),
    );
    for (const [id, reply] of (await Promise.all(asked)).entries()) {
      const seen = told(reply as Uint8Array);
      expect([seen.id, seen.rcode, seen.answers.length]).toEqual([id, "NOERROR", 7]);
      expect(seen.flags).not.toContain("tc");
    }
    expect(forwarder.counters.tcpRetries).toBeGreaterThan(0);
  });

  test("many at once, each gets its own", async () => {
    const asked = Array.from({ length: 150 }, (_, id) => ask(forwarder, port, `n${id}.test A`, { id }));
    for (const [id, reply] of (await Promise.all(asked)).entries()) {
      const seen = told(reply as Uint8Array);
      expect([seen.id, seen.question, seen.rcode]).toEqual([id, `n${id}.test A`, "NXDOMAIN"]);
    }
    expect(forwarder.counters.mismatched).toBe(0);
  });
});

test("a closed port is a network error, soon", async () => {
  const forwarder = createForwarder();
  const port = await freePort();
  const failure = await ask(forwarder, port, "web.test A");
  expect(failure).toEqual({ rcode: 2, ede: 23, text: `127.0.0.1:${port}: ECONNREFUSED` });
  forwarder.close();
});

test("an address that can't be reached is a network error, too", async () => {
  const forwarder = createForwarder();
  const packet = query("web.test A");
  const question = nameKey("web.test") + packet.toString("latin1", packet.length - 4);
  const upstreams = [{ address: "not an address", port: 53 }];
  const outcome = await new Promise((resolve) =>
    forwarder.forward({ ...REQUEST, packet, questionEnd: packet.length, question, edns: false, upstreams }, resolve),
  );
  expect(outcome).toMatchObject({ rcode: 2, ede: 23 });
  forwarder.close();
});

test("a packet from upstream that makes the forwarder throw costs no more than that packet", async () => {
  const upstream = createSocket("udp4").bind(0, "127.0.0.1");
  await once(upstream, "listening");
  upstream.on("message", (packet, peer) => {
    packet[2]! |= 0x80;
    upstream.send(packet, peer.port, peer.address);
  });
  vi.spyOn(Lanes.prototype, "get").mockImplementationOnce(() => {
    throw new Error("boom");
  });
  const errors: unknown[] = [];
  const forwarder = createForwarder({}, undefined, (error) => errors.push(error));
  const outcome = await ask(forwarder, upstream.address().port, "other.example A");
  expect(outcome).toBeInstanceOf(Uint8Array); // the second try's
  expect(errors).toEqual([expect.objectContaining({ message: "boom" })]);
  vi.restoreAllMocks();
  forwarder.close();
  upstream.close();
});
