/** Processes on a processor each: A has the first; the server, B and B's upstream share the second. None outlives the bench. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

export const [A, B] = [0, 1];

const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Resolves when it says something, with the numbers in it. */
export async function start(processor: number, command: readonly string[]): Promise<[ChildProcess, ...number[]]> {
  const child = spawn("taskset", ["-c", String(processor), ...command], { stdio: ["ignore", "pipe", "inherit"] });
  running.add(child.once("close", () => running.delete(child)));
  const ended = once(child, "close").then(([code, signal]) => {
    throw new Error(`${command.join(" ")}: ended with ${code ?? signal}, and said nothing`);
  });
  const [said] = await Promise.race([once(child.stdout, "data"), ended]);
  return [child, ...String(said).trim().split(" ").map(Number)];
}

export async function end(signal: NodeJS.Signals, ...children: readonly ChildProcess[]): Promise<void> {
  for (const child of children) {
    if (!running.has(child)) continue;
    child.kill(signal);
    await once(child, "close");
  }
}
