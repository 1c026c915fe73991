/**
 * Latency at 5 000 queries a second while the registry takes 1 000 changes a second: dnsperf on one processor against
 * a process of its own on the other. Run with the word "server", this file is that process.
 */
import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { report } from "./measure.ts";
import { container, world } from "./world.ts";

const SECONDS = 5;
const RATE = 5_000;
const command = promisify(execFile);

export async function run(): Promise<void> {
  if (spawnSync("dnsperf", ["-h"]).error) return console.log("latency: skipped, dnsperf is not installed");
  const words = ["-c", "1", process.execPath, "--import", "tsx", fileURLToPath(import.meta.url), "server"];
  const server = spawn("taskset", words, { stdio: ["ignore", "pipe", "inherit"] });
  const [port] = await once(server.stdout, "data");
  await ask(Number(String(port)), 1); // both sides warm up
  const { times, lost } = await ask(Number(String(port)), SECONDS);
  server.kill("SIGTERM");
  const [changes] = await once(server.stdout, "data");
  times.sort((a, b) => a - b);
  report("latency: queries a second", times.length / SECONDS, "q/s");
  report("latency: changes a second meanwhile", Number(String(changes)), "changes/s");
  report("latency: median", times[times.length >> 1]!, "ms");
  report("latency: 99th percentile", times[Math.floor(times.length * 0.99)]!, "ms", 1);
  report("latency: lost", lost, "queries", 1);
}

/** Milliseconds that each query took, as dnsperf saw it. */
async function ask(port: number, seconds: number): Promise<{ times: number[]; lost: number }> {
  const file = join(mkdtempSync(join(tmpdir(), "eleven-")), "queries");
  writeFileSync(file, "web A\n");
  const words = `-s 127.0.0.1 -p ${port} -d ${file} -l ${seconds} -Q ${RATE} -c 8 -v`.split(" ");
  const { stdout } = await command("taskset", ["-c", "0", "dnsperf", ...words], { maxBuffer: 1 << 28 });
  const times = [...stdout.matchAll(/^> NOERROR \S+ \S+ ([\d.]+)/gm)].map((m) => Number(m[1]) * 1_000);
  return { times, lost: Number(/Queries lost: +(\d+)/.exec(stdout)?.[1]) };
}

/** Answers, changes the registry a thousand times a second, and says in the end how often it did. */
async function serveAndChange(): Promise<void> {
  const { createNode } = (await import(
    new URL("../dist/index.js", import.meta.url).href
  )) as typeof import("../src/index.ts");
  const node = createNode({ workers: 1 });
  node.apply(world(["web", ...Array.from({ length: 1_000 }, (_, i) => `c${i}`)]));
  const listen = [{ address: "127.0.0.1", port: 0 }];
  node.apply([
    { kind: "sandbox.put", sandbox: { id: "s", member: { kind: "container", id: "web" }, listen, upstreams: [] } },
  ]);
  await node.ready();
  console.log(node.listening("s")[0]!.port);
  const began = performance.now();
  let [changes, due] = [0, began];
  const timer = setInterval(() => {
    for (; due < performance.now(); due += 1, changes++)
      node.apply([container(`c${changes % 1_000}`, (changes / 1_000) & 1 ? "running" : "stopped")]);
  }, 1);
  process.once("SIGTERM", () => {
    clearInterval(timer);
    console.log(changes / ((performance.now() - began) / 1_000));
    void node.close();
  });
}

if (process.argv[2] === "server") await serveAndChange();
