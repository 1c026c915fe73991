/** From starting a process to its first answer: of a small file, and of a large state that was stored. */
import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Registry } from "../src/registry/registry.ts";
import { fileStore } from "../src/registry/stores/file.ts";
import { query } from "../test/support/packets.ts";
import { median, report } from "./measure.ts";
import { container, network, service, task } from "./world.ts";

const SERVICES = 10_000;
const TASKS = 10;
const PORT = 5301;

export async function run(): Promise<void> {
  const times: number[] = [];
  for (let i = 0; i < 5; i++)
    times.push((await started(["dist/main.js", "serve", "examples/swarm.yaml"], 5300, "web")).ms);
  report("start: `eleven serve examples/swarm.yaml` to its first answer, median", median(times), "ms", 1000);

  const directory = mkdtempSync(join(tmpdir(), "eleven-bench-"));
  try {
    await fill(join(directory, "objects"));
    const stored: Started[] = [];
    const words = ["--input-type=module", "-e", NODE, directory];
    for (let i = 0; i < 3; i++) stored.push(await started(words, PORT, `s${SERVICES - 1}`));
    const what = `${SERVICES} services, ${SERVICES * TASKS} tasks stored`;
    report(`start: ${what}, to its first answer`, median(stored.map((s) => s.ms)) / 1000, "s", 2.5);
    report(`start: ${what}, processor time until then`, median(stored.map((s) => s.processor)), "s");
    report(`start: ${what}, resident`, median(stored.map((s) => s.resident)), "MB", 350);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** What an agent does with what is stored. */
const NODE = `
  import { join } from "node:path";
  const { createNode, fileStore } = await import("./dist/index.js");
  const stateDir = process.argv[1];
  await createNode({ stateDir, store: fileStore({ directory: join(stateDir, "objects") }) }).ready();
`;

async function fill(directory: string): Promise<void> {
  const store = fileStore({ directory });
  await store.open(new Registry());
  const listen = [{ address: "127.0.0.1", port: PORT }];
  const member = { kind: "container", id: "client" } as const;
  await store.write([
    network("10.0.0.0/8"),
    container("client"),
    { kind: "sandbox.put", sandbox: { member, listen, upstreams: [] } },
  ]);
  const all = Array.from({ length: SERVICES }, (_, s) => [
    service(s),
    ...Array.from({ length: TASKS }, (_, t) => task(s, t + 1)),
  ]);
  for (let s = 0; s < SERVICES; s += 100) await store.write(all.slice(s, s + 100).flat());
  await store.close();
}

interface Started {
  /** Until it answered. */
  readonly ms: number;
  /** Seconds, of all its threads. */
  readonly processor: number;
  /** Megabytes, when it answered. */
  readonly resident: number;
}

async function started(words: readonly string[], port: number, name: string): Promise<Started> {
  const began = performance.now();
  const child = spawn(process.execPath, words, { stdio: "ignore" });
  const socket = createSocket("udp4");
  socket.on("error", () => {});
  const ask = setInterval(() => socket.send(query(`${name} A`), port, "127.0.0.1"), 5);
  await once(socket, "message");
  const found = { ms: performance.now() - began, ...usedBy(child) };
  clearInterval(ask);
  socket.close();
  child.kill();
  await once(child, "exit");
  return found;
}

/** proc_pid_stat(5): the 14th and 15th field are ticks, of which a second has a hundred. */
function usedBy({ pid }: ChildProcess): Omit<Started, "ms"> {
  const [user, system] = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ")
    .slice(11);
  const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return { processor: (Number(user) + Number(system)) / 100, resident: (Number(kilobytes) * 1024) / 1e6 };
}
