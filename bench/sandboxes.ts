/** 200 network namespaces: how long each takes to attach, and what each costs in memory. Root only. */
import { execFileSync } from "node:child_process";
import { report } from "./measure.ts";
import { world } from "./world.ts";

const COUNT = 200;

export async function run(): Promise<void> {
  if (process.getuid?.() !== 0) return console.log("sandboxes: skipped, network namespaces need root");
  const { createNode } = (await import(
    new URL("../dist/index.js", import.meta.url).href
  )) as typeof import("../src/index.ts");
  const names = Array.from({ length: COUNT + 1 }, (_, i) => `e11b-${process.pid}-${i}`);
  const ip = (verb: string) =>
    execFileSync("ip", ["-force", "-batch", "-"], { input: names.map((n) => `netns ${verb} ${n}\n`).join("") });
  ip("add");
  const node = createNode({ workers: 1 });
  try {
    node.apply(world(["web"]));
    const attach = async (name: string): Promise<number> => {
      const started = performance.now();
      const listen = [{ address: "127.0.0.11", port: 53 }];
      const member = { kind: "container", id: "web" } as const;
      node.apply([
        { kind: "sandbox.put", sandbox: { id: name, member, listen, upstreams: [], netns: `/run/netns/${name}` } },
      ]);
      await node.ready();
      return performance.now() - started;
    };
    await attach(names[0]!); // the first pays for what all of them use
    const before = resident();
    const times: number[] = [];
    for (const name of names.slice(1)) times.push(await attach(name));
    report("sandboxes: attach, median of 200", times.sort((a, b) => a - b)[COUNT >> 1]!, "ms", 3);
    report("sandboxes: attach, slowest of 200", times.at(-1)!, "ms");
    report("sandboxes: resident each beyond the first", (resident() - before) / COUNT / 1024, "KiB", 20);
    if (node.problems.size > 0) throw new Error(`${node.problems.size} are not attached`);
  } finally {
    await node.close();
    ip("del");
  }
}

function resident(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss();
}
