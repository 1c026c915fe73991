/**
 * From a change of the registry to names and kernel, the whole node: registry, plan, diff, nftables, names. Root. And all of it but the
 * kernel: what a change costs in this process, whatever the backend is.
 */
import { execFileSync } from "node:child_process";
import { setTimeout } from "node:timers/promises";
import { createNode, type ElevenNode } from "../src/daemon.ts";
import type { LbBackend } from "../src/lb-programmer/backends/backend.ts";
import { FakeBackend } from "../src/lb-programmer/backends/fake.ts";
import { NftablesBackend } from "../src/lb-programmer/backends/nftables/backend.ts";
import { percentile, report } from "./measure.ts";
import { timing } from "./timing.ts";
import { attached, services as servicesOf, task } from "./world.ts";

/** Milliseconds of one change: the median of the first ones, and the slowest of a hundred once their code is compiled. */
interface Bars {
  readonly p50?: number;
  readonly p99?: number;
}

/** Changes: what the first ones take says what a node does that has just begun; after so many, V8 has compiled what they run through. */
const FIRST = 300;
const COMPILED = { after: 3_000, measured: 1_000 };

export async function run(): Promise<void> {
  if (process.getuid?.() !== 0) return console.log("balance: skipped, it needs root");
  await oneSandbox("no kernel", 1_000, new FakeBackend(), {});
  await oneSandbox("no kernel", 10_000, new FakeBackend(), {});
  await oneSandbox("nftables", 1_000, new NftablesBackend(), { p99: 3 });
  await oneSandbox("nftables", 10_000, new NftablesBackend(), { p50: 5 });
  await manySandboxes("no kernel", new FakeBackend());
  await manySandboxes("nftables", new NftablesBackend(), 0.5);
}

async function oneSandbox(how: string, services: number, backend: LbBackend, bars: Bars): Promise<void> {
  const name = `balance, ${how}, ${services} services`;
  const timed = timing(backend);
  await withNode(1, services, timed.backend, async (node, load) => {
    report(`${name}: all in names and kernel`, load / 1_000, "s");
    const times: number[] = [];
    const inBackend: number[] = [];
    const compiled = services < 10_000; // there, so many changes would take half a minute
    for (let i = 0; i < (compiled ? COMPILED.after + COMPILED.measured : FIRST); i++) {
      timed.reset();
      const started = performance.now();
      node.apply([task((i * 7919) % services, 10 + Math.floor(i / services))]);
      await node.applied();
      times.push(performance.now() - started);
      inBackend.push(timed.spent);
    }
    const first = times.slice(0, FIRST);
    report(`${name}: one task, first ${FIRST} changes, p50`, percentile(first, 0.5), "ms", bars.p50);
    report(`${name}: one task, first ${FIRST} changes, p99`, percentile(first, 0.99), "ms");
    report(`${name}: of which in the backend, p50`, percentile(inBackend.slice(0, FIRST), 0.5), "ms");
    if (!compiled) return;
    const then = times.slice(COMPILED.after);
    report(`${name}: one task, after ${COMPILED.after} changes, p50`, percentile(then, 0.5), "ms");
    report(`${name}: one task, after ${COMPILED.after} changes, p99`, percentile(then, 0.99), "ms", bars.p99);
  });
}

async function manySandboxes(how: string, backend: LbBackend, bar?: number): Promise<void> {
  const [sandboxes, services] = [100, 1_000];
  await withNode(sandboxes, services, backend, async (node) => {
    const times: number[] = [];
    for (let i = 0; i < 5; i++) {
      const started = performance.now();
      node.apply([task(0, 10 + i)]);
      await node.applied();
      times.push(performance.now() - started);
    }
    const name = `balance, ${how}, ${sandboxes} sandboxes x ${services} services: one scaled`;
    report(name, percentile(times, 0.5) / 1_000, "s", bar);
    const not = node.balance.filter((t) => t.state !== "equal");
    if (not.length > 0) throw new Error(`${not.length} are not equal: ${JSON.stringify(not[0])}`);
  });
}

/** `work` gets the milliseconds until everything was in names and kernel. */
async function withNode(
  sandboxes: number,
  services: number,
  backend: LbBackend,
  work: (node: ElevenNode, load: number) => Promise<void>,
): Promise<void> {
  const names = Array.from({ length: sandboxes }, (_, i) => `e11l-${process.pid}-${i}`);
  const ip = (verb: string) =>
    execFileSync("ip", ["-force", "-batch", "-"], { input: names.map((n) => `netns ${verb} ${n}\n`).join("") });
  ip("add");
  const node = createNode({ workers: 0, balance: { backend } });
  try {
    const started = performance.now();
    node.apply(servicesOf(services));
    node.apply(names.map(attached));
    await node.ready();
    while (node.balance.length < sandboxes || node.balance.some((t) => t.state !== "equal")) await setTimeout(1);
    if (node.problems.size > 0) throw [...node.problems.values()][0];
    await work(node, performance.now() - started);
  } finally {
    await node.close();
    ip("del");
  }
}
