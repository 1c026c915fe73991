/**
 * 1 000 writes a second through the control API, 100 services balanced by nftables, a store on disk: how long each takes until it is in
 * names and kernel, and what DNS feels of it, beside a client that listens to events and does not read. Root. With the word "server",
 * this file is the process that answers.
 */
import { execFile, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Change } from "../src/model/types.ts";
import { percentile, report } from "./measure.ts";
import { attached, services } from "./world.ts";

const SECONDS = 10;
const WRITES = 1_000;
const QUERIES = 5_000;
const SERVICES = 100;
const command = promisify(execFile);
const agent = new Agent({ keepAlive: true, maxSockets: 48 });

export async function run(): Promise<void> {
  if (process.getuid?.() !== 0) return console.log("control: skipped, it needs root");
  if (spawnSync("dnsperf", ["-h"]).error) return console.log("control: skipped, dnsperf is not installed");
  const netns = `e11c-${process.pid}`;
  execFileSync("ip", ["netns", "add", netns]);
  const server = spawn(process.execPath, ["--import", "tsx", fileURLToPath(import.meta.url), "server", netns], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const [said] = await once(server.stdout, "data");
    const { port, socket } = JSON.parse(String(said)) as { port: number; socket: string };
    notReading(socket);
    await Promise.all([dns(port, 2), writes(socket, 2)]); // both sides warm up
    const alone = await dns(port, SECONDS);
    const began = performance.now();
    const written = writes(socket, SECONDS).then((times) => ({ times, seconds: (performance.now() - began) / 1_000 }));
    tell(alone, ...(await Promise.all([dns(port, SECONDS), written])));
  } finally {
    server.kill("SIGTERM");
    await once(server, "exit");
    agent.destroy();
    execFileSync("ip", ["netns", "del", netns]);
  }
}

interface Written {
  readonly times: readonly number[];
  readonly seconds: number;
}

function tell(alone: Asked, beside: Asked, { times, seconds }: Written): void {
  report("control: writes a second", times.length / seconds, "writes/s");
  report("control: until applied, p50", percentile(times, 0.5), "ms");
  report("control: until applied, p99", percentile(times, 0.99), "ms", 20);
  for (const [what, share] of [
    ["p50", 0.5],
    ["p99", 0.99],
  ] as const) {
    report(`control: DNS ${what}, no writes`, percentile(alone.times, share), "ms");
    report(`control: DNS ${what}, with them`, percentile(beside.times, share), "ms");
  }
  report(
    "control: DNS p99, with to without",
    percentile(beside.times, 0.99) / percentile(alone.times, 0.99),
    "times",
    1.5,
  );
  report("control: DNS lost", alone.lost + beside.lost, "queries", 1);
}

/** Milliseconds from when each write was due. A task of each service in turn fails its health check, and passes it again. */
async function writes(socketPath: string, seconds: number): Promise<number[]> {
  const times: number[] = [];
  const under: Promise<void>[] = [];
  const began = performance.now();
  for (let i = 0; i < seconds * WRITES; ) {
    const due = began + (i * 1_000) / WRITES;
    const now = performance.now();
    if (due > now) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      continue;
    }
    const body = JSON.stringify({ health: Math.floor(i / SERVICES) % 2 === 0 ? "unhealthy" : "healthy" });
    under.push(
      patch(socketPath, `/v1/tasks/s${i % SERVICES}t1?wait=applied`, body).then(
        () => void times.push(performance.now() - due),
      ),
    );
    i++;
  }
  await Promise.all(under);
  return times;
}

function patch(socketPath: string, path: string, body: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", "content-length": body.length };
    const asked = request({ socketPath, method: "PATCH", path, agent, headers }, (response) => {
      response.resume();
      response.on("end", () => (response.statusCode === 200 ? resolve() : reject(new Error(`${response.statusCode}`))));
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

function notReading(socketPath: string): void {
  const asked = request({ socketPath, path: "/v1/events", agent: false }, (response) => response.pause());
  asked.on("error", () => {});
  asked.end();
}

interface Asked {
  readonly times: readonly number[];
  readonly lost: number;
}

async function dns(port: number, seconds: number): Promise<Asked> {
  const file = join(mkdtempSync(join(tmpdir(), "eleven-")), "queries");
  writeFileSync(file, Array.from({ length: SERVICES }, (_, i) => `s${i} A\n`).join(""));
  const words = `-s 127.0.0.1 -p ${port} -d ${file} -l ${seconds} -Q ${QUERIES} -c 8 -v`.split(" ");
  const { stdout } = await command("dnsperf", words, { maxBuffer: 1 << 28 });
  const times = [...stdout.matchAll(/^> NOERROR \S+ \S+ ([\d.]+)/gm)].map((m) => Number(m[1]) * 1_000);
  return { times, lost: Number(/Queries lost: +(\d+)/.exec(stdout)?.[1]) };
}

/** What a task that leaves may finish would be asked of the kernel again and again, which is another figure. */
const undrained = (change: Change): Change =>
  change.kind === "service.put" ? { ...change, service: { ...change.service, balance: { drain: 0 } } } : change;

async function serve(netns: string): Promise<void> {
  const built = (path: string) => import(new URL(`../dist/${path}`, import.meta.url).href);
  const { createNode, fileStore } = (await built("index.js")) as typeof import("../src/index.ts");
  const { startControl } = (await built("control/server.js")) as typeof import("../src/control/server.ts");
  const directory = mkdtempSync(join(tmpdir(), "eleven-control-"));
  const store = fileStore({ directory: join(directory, "store") });
  const node = createNode({ workers: 1, store, balance: { backend: "nftables" }, stateDir: join(directory, "state") });
  const listen = [{ address: "127.0.0.1", port: 0 }];
  const member = { kind: "container", id: "client" } as const;
  await node.write([
    ...services(SERVICES).map(undrained),
    attached(netns),
    { kind: "sandbox.put", sandbox: { id: "asks", member, listen, upstreams: [] } },
  ]);
  await node.ready();
  await node.applied();
  const control = await startControl({ node, socket: join(directory, "eleven.sock") });
  console.log(JSON.stringify({ port: node.listening("asks")[0]!.port, socket: join(directory, "eleven.sock") }));
  process.once("SIGTERM", async () => {
    await control.close();
    await node.close();
  });
}

if (process.argv[2] === "server") await serve(process.argv[3]!);
