/**
 * `eleven demo`. As root, a swarm on one machine: names, virtual IPs and a published port, live, while tasks come and go.
 * Without root, or where that can't be: examples/swarm.yaml on loopback, and the dig lines to try.
 */
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { ElevenNode } from "../daemon.ts";
import { NoSwarm } from "../demo/no-swarm.ts";
import { beTheOnlyOne } from "../demo/only-one.ts";
import { invitation, play } from "../demo/story.ts";
import { Swarm } from "../demo/swarm.ts";
import { libcProblem } from "../os/libc.ts";
import { packetText, queryPacket } from "../server/object-edge.ts";
import { startFile } from "./serve.ts";
import { untilStopped } from "./signals.ts";

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

/** With `once`, it ends when it has shown everything. */
export async function demo({ once = false }: { readonly once?: boolean | undefined } = {}): Promise<number> {
  const unread = new Promise<void>((resolve) => void process.stdout.on("error", () => resolve())); // `| head` has seen enough
  const stopped = Promise.race([untilStopped((message) => console.log(`eleven: ${message}`)), unread]);
  const missing = whatIsMissing() ?? (await swarmDemo(once, stopped));
  return missing === undefined ? 0 : loopbackDemo(missing, once, stopped);
}

/** Why there can be no swarm here, as far as it is known before it is tried. */
function whatIsMissing(): string | undefined {
  if (libcProblem() !== undefined) return libcProblem();
  return process.getuid?.() === 0 ? undefined : "root makes network namespaces, this user can't";
}

/** Why there could be none, if so. */
async function swarmDemo(once: boolean, stopped: Promise<void>): Promise<string | undefined> {
  let [began, over] = [false, false];
  void stopped.then(() => {
    over = true;
  });
  const place = beTheOnlyOne();
  console.log(
    "A swarm on one machine, in network namespaces of its own: web (3 tasks, port 8080 published), db (dnsrr), client.",
  );
  const swarm = new Swarm((message) => console.log(`eleven: ${message}`));
  try {
    await swarm.start();
    began = true;
    await play(swarm, () => over);
    if (!once && !over) {
      console.log(invitation());
      await stopped;
    }
  } catch (error) {
    if (error instanceof NoSwarm) return error.message;
    await setImmediate();
    if (!over) throw error; // else Ctrl-C has ended a tool that had just been started
  } finally {
    await swarm.close();
    place.release();
    if (began) console.log("\nEverything is cleaned up.");
  }
  return undefined;
}

async function loopbackDemo(missing: string, once: boolean, stopped: Promise<void>): Promise<number> {
  const agent = await startFile(fileURLToPath(new URL("../../examples/swarm.yaml", import.meta.url)));
  const invited = once ? "What they answer:" : "Try these from another terminal:";
  console.log(`A resolver for two sandboxes of examples/swarm.yaml. ${invited}\n`);
  for (const [sandbox, question, why] of TOUR) await show(agent.node, sandbox, question, why);
  console.log(
    `\nAs root, where the kernel has it all, this would be a whole swarm with virtual IPs (here: ${missing}).`,
  );
  if (!once) {
    console.log("Ctrl-C ends it.");
    await stopped;
  }
  await agent.close();
  return 0;
}

async function show(node: ElevenNode, sandbox: string, question: string, why: string): Promise<void> {
  const [name = "", type = ""] = question.split(" ");
  const { address, port } = node.listening(sandbox)[0]!;
  const answer = packetText(await node.answer(queryPacket(name, type), sandbox));
  const line = `dig @${address} -p ${port} +noall +answer ${name}${type === "A" ? "" : ` ${type}`}`;
  console.log(`${line.padEnd(72)} # ${why}\n    ${answer}`);
}
