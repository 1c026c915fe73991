/**
 * DNS over HTTPS in front of the resolver: any dns2 server can be, since `node.answer` takes and gives dns2 packets.
 *
 *   npx tsx doh.ts                (dns2 is to be installed, too)
 */
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import DNS2 from "dns2";
import { createNode, loadConfig } from "eleven-dns";

const config = await loadConfig(fileURLToPath(new URL("swarm.yaml", import.meta.url)));
const node = createNode();
node.apply(config.changes.filter((change) => change.kind !== "sandbox.put" || change.sandbox.id === "client"));

// Plain HTTP on loopback for the example; give `ssl: true` with key and cert in real life.
const server = DNS2.createDOHServer({ ssl: false });
server.on("request", async (request: DNS2.Packet, send: (response: DNS2.Packet) => void) => {
  send(await node.answer(request, "client"));
});
server.listen(0, "127.0.0.1");
await once(server, "listening");

// A server would go on from here; the example asks itself, as `curl` would, and ends.
const { TYPE, CLASS, Question } = DNS2.Packet;
for (const name of ["web", "tasks.web", "9.web"]) {
  const query = new DNS2.Packet();
  query.header.id = 1;
  query.header.rd = 1;
  query.questions.push(new Question(name, TYPE.A, CLASS.IN));
  const dns = query.toBuffer().toString("base64url");
  const response = await fetch(`http://127.0.0.1:${server.address()?.port}/dns-query?dns=${dns}`);
  const { header, answers } = DNS2.Packet.parse(Buffer.from(await response.arrayBuffer()));
  const addresses = answers.map((a) => ("address" in a ? a.address : "")).sort();
  console.log(`${name}: ${addresses.join(" ") || `rcode ${header.rcode}`}  (${response.headers.get("content-type")})`);
}

server.close();
await node.close();
