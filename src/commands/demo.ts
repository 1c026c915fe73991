/** `eleven demo`: serves examples/swarm.yaml and prints the dig lines to try, each with what it answers right now. */
import { fileURLToPath } from "node:url";
import type { ElevenNode } from "../daemon.ts";
import { packetText, queryPacket } from "../server/object-edge.ts";
import { startFile, untilStopped } from "./serve.ts";

/** Sandbox, question, and why it is worth a look. */
const TOUR: readonly [sandbox: string, question: string, why: string][] = [
  ["client", "web A", "a service: its virtual IP"],
  ["client", "web AAAA", "and its IPv6 one"],
  ["client", "tasks.web A", "the tasks behind it, shuffled"],
  ["client", "2.web A", "one replica, by slot"],
  ["client", "rr A", "a dnsrr service: tasks, no VIP"],
  ["client", "www.mynet A", "an alias, on a network by name"],
  ["client", "_http._tcp.web SRV", "where its http port is"],
  ["client", "web TXT", "what is known of it"],
  ["client", "web MX", "known name, no such record: NODATA with SOA"],
  ["client", "9.web A", "no such replica: NXDOMAIN, nobody else asked"],
  ["client", "2.1.0.10.in-addr.arpa PTR", "an address backwards"],
  ["loner", "db A", "the other sandbox sees its own network"],
  ["loner", "web A", "and nothing else"],
];

export async function demo(): Promise<number> {
  const stopped = untilStopped();
  const { node, stop } = await startFile(fileURLToPath(new URL("../../examples/swarm.yaml", import.meta.url)));
  console.log("A resolver for two sandboxes of examples/swarm.yaml. Try these from another terminal:\n");
  for (const [sandbox, question, why] of TOUR) await show(node, sandbox, question, why);
  console.log("\nCtrl-C ends it.");
  await stopped;
  await stop();
  return 0;
}

async function show(node: ElevenNode, sandbox: string, question: string, why: string): Promise<void> {
  const [name = "", type = ""] = question.split(" ");
  const { address, port } = node.listening(sandbox)[0]!;
  const answer = packetText(await node.answer(queryPacket(name, type), sandbox));
  const line = `dig @${address} -p ${port} +noall +answer ${name}${type === "A" ? "" : ` ${type}`}`;
  console.log(`${line.padEnd(72)} # ${why}\n    ${answer}`);
}
