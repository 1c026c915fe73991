/**
 * One sandbox misbehaves, another asks 1 000 questions a second: what the second one feels, as a ratio of what it feels alone.
 * The server and B's client share one processor, the attacker A has the other. Run with a word, this file is the server, or an
 * attacker.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { query } from "../test/support/packets.ts";
import { report } from "./measure.ts";
import { world } from "./world.ts";

interface Attack {
  readonly name: string;
  /** The attacker's command, given A's port; it says something once it attacks. */
  readonly words: (port: number) => readonly string[];
  /** B asks over TCP. */
  readonly tcp?: boolean;
  /** Most that B's 99th percentile may grow to. */
  readonly below?: number;
}

const SELF = ["--import", "tsx", fileURLToPath(import.meta.url)];
const QUESTIONS = join(mkdtempSync(join(tmpdir(), "eleven-")), "questions");
const ATTACKS: readonly Attack[] = [
  {
    name: "50 000 local questions/s",
    words: (port) => ["stdbuf", "-oL", ...dnsperf(port, "-Q 50000 -q 20000 -c 8 -l 60")],
    below: 3,
  },
  {
    name: "500 TCP connections, idle, slow and flooding",
    words: (port) => [process.execPath, ...SELF, "crowd", String(port)],
    tcp: true,
  },
];
const ROUNDS = 5;
const SECONDS = 3;
const output = promisify(execFile);

export async function run(): Promise<void> {
  if (spawnSync("dnsperf", ["-h"]).error) return console.log("hostile: skipped, dnsperf is not installed");
  writeFileSync(QUESTIONS, "web A\n");
  for (const attack of ATTACKS) await measure(attack);
}

/** Alone and under attack in turn, so that both have the same machine. */
async function measure({ name, words, tcp = false, below }: Attack): Promise<void> {
  const server = start(1, process.execPath, ...SELF, "server");
  const [ports] = await once(server.stdout!, "data");
  const [a, b] = String(ports).trim().split(" ").map(Number) as [number, number];
  await ask(b, tcp); // both sides warm up
  const ratios: number[] = [];
  let lost = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const alone = await ask(b, tcp);
    const attacker = start(0, ...words(a));
    await once(attacker.stdout!, "data");
    const attacked = await ask(b, tcp);
    attacker.kill("SIGKILL");
    await once(attacker, "exit");
    ratios.push(attacked.p99 / alone.p99);
    lost += attacked.lost;
  }
  server.kill();
  await once(server, "exit");
  report(`hostile: ${name}: B's p99, x alone`, ratios.sort((x, y) => x - y)[ROUNDS >> 1]!, "x", below);
  report(`hostile: ${name}: B's lost`, lost, "questions", 1);
}

/** B asks 1 000 questions a second. */
async function ask(port: number, tcp: boolean): Promise<{ p99: number; lost: number }> {
  const words = dnsperf(port, `-Q 1000 -c 1 -v -l ${SECONDS}${tcp ? " -m tcp" : ""}`);
  const { stdout } = await output("taskset", ["-c", "1", ...words], { maxBuffer: 1 << 28 });
  const times = [...stdout.matchAll(/^> NOERROR \S+ \S+ ([\d.]+)/gm)].map((m) => Number(m[1])).sort((x, y) => x - y);
  return {
    p99: times[Math.floor(times.length * 0.99)]!,
    lost: Number(/Queries lost: +(\d+)/.exec(stdout)?.[1]),
  };
}

const dnsperf = (port: number, words: string): string[] =>
  `dnsperf -s 127.0.0.1 -p ${port} -d ${QUESTIONS} ${words}`.split(" ");

const start = (processor: number, ...command: string[]): ChildProcess =>
  spawn("taskset", ["-c", String(processor), ...command], { stdio: ["ignore", "pipe", "inherit"] });

/** A's port and B's. */
async function serve(): Promise<void> {
  const { createNode } = (await import(
    new URL("../dist/index.js", import.meta.url).href
  )) as typeof import("../src/index.ts");
  const node = createNode({ workers: 1 });
  const listen = [{ address: "127.0.0.1", port: 0 }];
  const member = { kind: "container", id: "web" } as const;
  const sandbox = (id: string) => ({ kind: "sandbox.put", sandbox: { id, member, listen, upstreams: [] } }) as const;
  node.apply([...world(["web"]), sandbox("a"), sandbox("b")]);
  await node.ready();
  process.once("SIGTERM", () => void node.close());
  console.log(["a", "b"].map((id) => node.listening(id)[0]!.port).join(" "));
}

/** Half of the connections are idle, a quarter sends an octet now and then, a quarter asks without end. */
function crowd(port: number): void {
  const packet = query("web A");
  const questions = Buffer.concat(Array(100).fill(Buffer.concat([Buffer.from([0, packet.length]), packet])));
  let connected = 0;
  const open = (i: number): void => {
    const socket = connect(port, "127.0.0.1", () => {
      if (++connected === 500) console.log("up");
      if (i % 4 === 2) setInterval(() => socket.write(Buffer.from([0])), 500).unref();
      if (i % 4 === 3) flood();
    });
    const flood = (): void => void socket.write(questions, () => setImmediate(flood));
    socket.on("error", () => {}).on("close", () => setTimeout(open, 10, i));
    socket.resume();
  };
  for (let i = 0; i < 500; i++) open(i);
}

if (process.argv[2] === "server") await serve();
if (process.argv[2] === "crowd") crowd(Number(process.argv[3]));
