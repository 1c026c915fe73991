/** Upstreams from a resolv.conf that changes under the running command. Needs port 53 of a loopback address: root. */
import { createSocket } from "node:dgram";
import { mkdtempSync, renameSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { asked, freePort, have, serve } from "./dig.ts";

/** Answers everything with one address. */
async function upstream(address: string, says: number[]) {
  const socket = createSocket("udp4").bind(53, address);
  await new Promise((done) => socket.once("listening", done));
  socket.on("message", (q, peer) => {
    let end = 12;
    while (q[end]! > 0) end += q[end]! + 1;
    const question = q.subarray(0, end + 5);
    question.writeUInt16BE(0x8180, 2);
    question.writeUInt16BE(1, 6);
    question.writeUInt16BE(0, 10);
    socket.send(
      Buffer.concat([question, Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...says])]),
      peer.port,
      peer.address,
    );
  });
  return socket;
}

test.skipIf(!have("dig") || process.getuid?.() !== 0)(
  "a changed resolv.conf is followed within a second or so",
  async () => {
    const [a, b] = [await upstream("127.5.3.1", [192, 0, 2, 1]), await upstream("127.5.3.2", [192, 0, 2, 2])];
    const file = join(mkdtempSync(join(tmpdir(), "eleven-")), "resolv.conf");
    writeFileSync(file, "nameserver 127.0.0.11\nnameserver 127.5.3.1\n"); // the first is our own kind and skipped
    const port = await freePort();
    const served = await serve(
      `upstreams: { resolv_conf: ${file} }\nnetworks: { n: {} }\ncontainers: { c: { networks: [n] } }\nsandboxes: { c: { container: c, listen: "127.0.0.1:${port}" } }`,
    );
    expect(await asked(port, "+noedns", "x.example")).toBe("NOERROR qr rd ra | x.example. 0 A 192.0.2.1");
    writeFileSync(`${file}.new`, "nameserver 127.5.3.2\n");
    renameSync(`${file}.new`, file);
    const changed = performance.now();
    while ((await asked(port, "+noedns", "x.example")) !== "NOERROR qr rd ra | x.example. 0 A 192.0.2.2") {
      if (performance.now() - changed > 5_000) throw new Error("the change was not seen");
    }
    expect(await served.stop("SIGINT")).toBe(0);
    a.close();
    b.close();
  },
);
