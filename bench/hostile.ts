/**
 * One sandbox misbehaves, another asks 1 000 questions a second: what the second one feels, as a ratio of what it feels alone.
 * The server and B's client share one processor, the attacker A has the other.
 */
import { spawnSync } from "node:child_process";
import { ATTACKS, type Attack } from "./hostile/attacks.ts";
import { birthday } from "./hostile/birthday.ts";
import { ask } from "./hostile/client.ts";
import { A, B, end, start } from "./hostile/processes.ts";
import { program } from "./hostile/programs.ts";
import { report } from "./measure.ts";

const ROUNDS = 5;
const SECONDS = 2;

export async function run(): Promise<void> {
  if (spawnSync("dnsperf", ["-h"]).error) return console.log("hostile: skipped, dnsperf is not installed");
  for (const attack of ATTACKS) await measure(attack);
  await birthday(ROUNDS);
}

/** Alone and under attack in turn, so that both have the same machine. */
async function measure({ name, words, upstream, questions, tcp = false, p99 }: Attack): Promise<void> {
  const [bUpstream, bAsks] = await start(B, program("upstream"));
  const [aUpstream, aAsks] = upstream ? await start(A, upstream) : [bUpstream, bAsks];
  const [server, a, b] = await start(B, program("server", aAsks!, bAsks!));
  const ratios: number[] = [];
  let [failed, lost] = [0, 0];
  await ask(b!, questions, SECONDS, tcp); // both sides warm up
  for (let round = 0; round < ROUNDS; round++) {
    const alone = p99 && (await ask(b!, questions, SECONDS, tcp));
    const [attacker] = await start(A, words(a!, round));
    const attacked = await ask(b!, questions, SECONDS, tcp);
    await end("SIGKILL", attacker);
    if (alone) ratios.push(attacked.p99 / alone.p99);
    failed += attacked.failed;
    lost += attacked.lost;
  }
  await end("SIGTERM", server);
  await end("SIGKILL", ...new Set([aUpstream, bUpstream]));
  const median = ratios.sort((x, y) => x - y)[ROUNDS >> 1];
  if (p99) report(`hostile: ${name}: B's p99, x alone`, median!, "x", p99.below);
  report(`hostile: ${name}: B's REFUSED or SERVFAIL`, failed, "answers", 1);
  report(`hostile: ${name}: B's lost`, lost, "questions", 1);
}
