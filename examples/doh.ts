/**
 * DNS over HTTPS in front of the resolver: any dns2 server can be, since `node.answer` takes and gives dns2 packets.
 *
 *   npx tsx examples/doh.ts
 *   curl -s 'http://127.0.0.1:8053/dns-query?dns=EjQBAAABAAAAAAAAA3dlYgAAAQAB' | xxd       (asks for web A)
 */
import { fileURLToPath } from "node:url";
import DNS2 from "dns2";
import { createNode, loadConfig } from "../src/index.ts";

const config = await loadConfig(fileURLToPath(new URL("swarm.yaml", import.meta.url)));
const node = createNode();
node.apply(config.changes.filter((change) => change.kind !== "sandbox.put" || change.sandbox.id === "client"));

// Plain HTTP on loopback for the example; give `ssl: true` with key and cert in real life.
const server = DNS2.createDOHServer({ ssl: false });
server.on("request", async (request: DNS2.Packet, send: (response: DNS2.Packet) => void) => {
  send(await node.answer(request, "client"));
});
server.on("listening", () => console.log(`DNS over HTTP on 127.0.0.1:${server.address()?.port}, path /dns-query`));
server.listen(Number(process.env["PORT"] ?? 8053), "127.0.0.1");
