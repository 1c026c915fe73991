/** From starting the command to its first answer. */
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { query } from "../test/support/packets.ts";
import { report } from "./measure.ts";

export async function run(): Promise<void> {
  const times: number[] = [];
  for (let i = 0; i < 5; i++) times.push(await firstAnswer());
  times.sort((a, b) => a - b);
  report("start: `eleven serve examples/swarm.yaml` to its first answer, median", times[2]!, "ms", 1000);
}

async function firstAnswer(): Promise<number> {
  const started = performance.now();
  const child = spawn(process.execPath, ["dist/main.js", "serve", "examples/swarm.yaml"], { stdio: "ignore" });
  const socket = createSocket("udp4");
  socket.on("error", () => {});
  const ask = setInterval(() => socket.send(query("web A"), 5300, "127.0.0.1"), 5);
  await once(socket, "message");
  const took = performance.now() - started;
  clearInterval(ask);
  socket.close();
  child.kill();
  await once(child, "exit");
  return took;
}
