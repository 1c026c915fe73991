/** SIGTERM while questions wait for an upstream: each is answered, with what the upstream says or with SERVFAIL. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { query } from "../support/packets.ts";
import { freePort, type Served, serve } from "./dig.ts";

const ROADS: [string, string][] = [
  ["a worker thread", "workers: 1"],
  ["the main thread, in batches", "workers: 0"],
  ["the main thread, over node's sockets", "workers: 0\ntransport: dgram"],
];

describe.each(ROADS)("answered by %s", (_name, options) => {
  let upstream: ReturnType<typeof createSocket>;
  beforeEach(async () => {
    upstream = createSocket("udp4").bind(0, "127.0.0.1");
    await once(upstream, "listening");
  });
  afterEach(() => upstream.close());

  /** A server, and two questions to it that have come to the upstream: one over UDP and one over TCP. */
  const start = async (): Promise<{ served: Served; rcodes: Promise<number[]> }> => {
    const port = await freePort();
    const served = await serve(`
${options}
upstreams: ["127.0.0.1:${upstream.address().port}"]
networks: { n: {} }
containers: { one: { networks: [n] } }
sandboxes: { s: { container: one, listen: ["127.0.0.1:${port}"] } }
`);
    const udp = createSocket("udp4");
    const tcp = connect(port, "127.0.0.1");
    const rcodes = Promise.all([once(udp, "message"), once(tcp, "data")]).then(([[overUdp], [overTcp]]) => {
      udp.close();
      tcp.destroy();
      return [overUdp[3] & 15, overTcp[5] & 15];
    });
    udp.send(query("udp.example A"), port, "127.0.0.1");
    await once(upstream, "message");
    const question = query("tcp.example A");
    tcp.write(Buffer.concat([Buffer.from([0, question.length]), question]));
    await once(upstream, "message");
    return { served, rcodes };
  };

  test("the upstream answers when it is asked again, after the signal", async () => {
    const { served, rcodes } = await start();
    upstream.on("message", (packet, { port }) => {
      packet[2]! |= 0x80;
      packet[3] = 3;
      upstream.send(packet, port, "127.0.0.1");
    });
    const stopped = served.stop();
    expect([await rcodes, await stopped]).toEqual([[3, 3], 0]);
  });

  test("the upstream does not answer: SERVFAIL, and soon", async () => {
    const { served, rcodes } = await start();
    const signalled = performance.now();
    const stopped = served.stop();
    expect([await rcodes, await stopped]).toEqual([[2, 2], 0]);
    expect(performance.now() - signalled).toBeLessThan(3_500); // the forwarder itself would take 4 s
  });
});
