/**
 * 500 sandboxes with 20 services each, balanced in their own namespaces, in one process: how long each takes to attach, what it costs in
 * descriptors and memory, what all of them cost while nothing happens, and how long it takes until what somebody broke is right again.
 * Root, and nft to break things with.
 */
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import type { ElevenNode } from "../src/index.ts";
import { median, percentile, report, seconds } from "./measure.ts";
import { attached, services } from "./world.ts";

const [COUNT, SERVICES] = [500, 20];

export async function run(): Promise<void> {
  if (process.getuid?.() !== 0) return console.log("balanced sandboxes: skipped, network namespaces need root");
  const { createNode } = (await import(
    new URL("../dist/index.js", import.meta.url).href
  )) as typeof import("../src/index.ts");
  const names = Array.from({ length: COUNT + 1 }, (_, i) => `e11s-${process.pid}-${i}`);
  const ip = (verb: string) =>
    execFileSync("ip", ["-force", "-batch", "-"], { input: names.map((n) => `netns ${verb} ${n}\n`).join("") });
  ip("add");
  const node = createNode({ workers: 1, balance: { backend: "nftables", idle: { tcp: 600, udp: 60 } } });
  try {
    node.apply(services(SERVICES));
    await attach(node, names[0]!); // the first pays for what all of them use
    const before = { memory: resident(), descriptors: descriptors() };
    const times: number[] = [];
    for (const name of names.slice(1)) times.push((await seconds(() => attach(node, name))) * 1_000);
    if (node.problems.size > 0) throw new Error(`${node.problems.size} are not attached`);
    const what = `balanced sandboxes, ${SERVICES} services`;
    report(`${what}: attach, median of ${COUNT}`, median(times), "ms", 5);
    report(`${what}: attach, p99`, percentile(times, 0.99), "ms");
    report(`${what}: resident each beyond the first`, (resident() - before.memory) / COUNT / 1024, "KiB");
    report(`${what}: descriptors each beyond the first`, (descriptors() - before.descriptors) / COUNT, "descriptors");
    report(`${what}, three settings each: idle, ${COUNT} of them`, await idle(), "% of a core", 1);
    for (const [i, [how, script, bar]] of BREAKS.entries()) await repair(node, names[i]!, how, script, bar); // a fresh one each
  } finally {
    await node.close();
    ip("del");
  }
}

async function attach(node: ElevenNode, name: string): Promise<void> {
  node.apply([attached(name)]);
  await node.ready();
}

const resident = (): number => {
  globalThis.gc?.();
  return process.memoryUsage.rss();
};
const descriptors = (): number => readdirSync("/proc/self/fd").length;

/**
 * All threads, over half a minute. What we have changed ourselves is read once more half a minute later, then V8 tidies up, once: that is
 * waited for.
 */
async function idle(): Promise<number> {
  await setTimeout(70_000);
  const before = process.cpuUsage();
  const took = await seconds(() => setTimeout(30_000));
  const { user, system } = process.cpuUsage(before);
  return (100 * (user + system)) / 1e6 / took;
}

/** Names as they are in the table: nothing here knows the backend's. */
const CHAIN = `$(nft list table inet eleven | awk '$1 == "chain" { c = $2 } /hook output/ { print c; exit }')`;
const MAP = `$(nft list table inet eleven | awk 'NF == 3 { k = $1; m = $2 } /elements/ && k == "map" { print m; exit }')`;

/** What somebody does to our table in a sandbox, and seconds until it has to be right again. */
const BREAKS: readonly (readonly [how: string, script: string, bar: number])[] = [
  ["flushed", "nft flush ruleset", 1],
  ["a map emptied", `nft flush map inet eleven ${MAP}`, 1],
  ["a rule too many", `nft insert rule inet eleven ${CHAIN} counter`, 1],
  ["a policy changed", `nft chain inet eleven ${CHAIN} '{ policy drop; }'`, 1],
  ["the table dormant", "nft add table inet eleven '{ flags dormant; }'", 1],
];

async function repair(node: ElevenNode, netns: string, how: string, script: string, bar: number): Promise<void> {
  const giveUp = new AbortController();
  const repaired = new Promise<void>((resolve) => node.once("repaired", () => resolve()));
  const took = await seconds(async () => {
    execFileSync("ip", ["netns", "exec", netns, "sh", "-c", script]);
    await Promise.race([repaired, setTimeout(40_000, undefined, { signal: giveUp.signal }).catch(() => {})]);
  });
  giveUp.abort();
  report(`balanced sandboxes: ${how}, until it is repaired`, took, "s", bar);
}
