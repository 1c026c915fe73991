/**
 * The nftables backend on the real kernel, in namespaces of its own: loading, changing, reading and repairing, and what connecting
 * through a VIP costs. Beside it, what loading and changing cost others (rulesets.ts). Needs root and nft.
 */
import { NftablesBackend } from "../src/lb-programmer/backends/nftables/backend.ts";
import { diff } from "../src/lb-programmer/diff.ts";
import { EMPTY, type LbState, type LbTarget, type VirtualServer } from "../src/lb-programmer/state.ts";
import { exec } from "../src/os/exec.ts";
import { freshNamespace } from "../test/kernel/namespaces.ts";
import type { Peer } from "../test/kernel/peer.ts";
import { addressOf, makeWorld, PORT } from "../test/kernel/world.ts";
import { median, percentile, report, seconds } from "./measure.ts";
import { kubeProxy, type Ruleset, script } from "./rulesets.ts";

const TASKS = 3;

export async function run(): Promise<void> {
  if (process.getuid?.() !== 0) return void console.log("nftables: skipped, it needs root");
  await loading(1_000, { load: 0.1, repair: 0.3 });
  await loading(10_000, { load: 1.5 });
  await manySandboxes();
  await connecting();
}

async function loading(services: number, bars: { readonly load: number; readonly repair?: number }): Promise<void> {
  const name = `nftables, ${services} services`;
  const backend = new NftablesBackend();
  const state = stateOf(services);
  const loads: number[] = [];
  for (let i = 0; i < (services > 1_000 ? 1 : 5); i++)
    await inNamespace(async (target) => {
      const first = stateOf(services); // other objects each time: of what was loaded before, much is kept
      await backend.read(target, []);
      loads.push(await seconds(() => backend.apply(target, diff(EMPTY, first), first)));
    });
  report(`${name}: load from empty`, median(loads), "s", bars.load);

  await inNamespace(async (target) => {
    await backend.apply(target, diff(await backend.read(target, []), state), state);
    const times: number[] = [];
    let now = state;
    for (let i = 0; i < 300; i++) {
      const next = oneTaskMore(now, (i * 7919) % services);
      const ops = diff(now, next);
      times.push((await seconds(() => backend.apply(target, ops, next))) * 1000);
      now = next;
    }
    report(`${name}: one task added, p50`, percentile(times, 0.5), "ms", services > 1_000 ? undefined : 1);
    report(`${name}: one task added, p99`, percentile(times, 0.99), "ms");
    report(`${name}: read and compare`, await seconds(() => backend.read(target, [])), "s");
    await exec("nft", ["flush", "ruleset"], { netns: target.netns });
    const repair = async () => backend.apply(target, diff(await backend.read(target, []), now), now);
    report(`${name}: repair of a flushed table`, await seconds(repair), "s", bars.repair);
  });
  for (const ruleset of [script, kubeProxy]) await others(services, ruleset);
}

/** The same services and the same changes, as others have them. */
async function others(services: number, ruleset: Ruleset): Promise<void> {
  const name = `${ruleset.name}, ${services} services`;
  let { servers } = stateOf(services);
  await inNamespace(async ({ netns }) => {
    const nft = async (input: string): Promise<void> => {
      const { status, stderr } = await exec("nft", ["-f", "-"], { netns, input, timeout: 120_000 });
      if (status !== 0) throw new Error(`${ruleset.name}: ${stderr.slice(0, 500)}`);
    };
    const text = ruleset.load(servers);
    report(`${name}: load from empty`, await seconds(() => nft(text)), "s");
    const times: number[] = [];
    for (let i = 0; i < (services > 1_000 ? 2 : 10); i++) {
      const index = (i * 7919) % services;
      servers = oneTaskMore({ ...EMPTY, servers }, index).servers;
      const change = ruleset.oneTask(servers[index]!, servers);
      times.push((await seconds(() => nft(change))) * 1000);
    }
    report(`${name}: one task added, p50`, percentile(times, 0.5), "ms");
  });
}

/** 100 sandboxes with 100 services each, one of which is scaled: until the last sandbox has it. */
async function manySandboxes(): Promise<void> {
  const backend = new NftablesBackend();
  const namespaces = [];
  try {
    for (let i = 0; i < 100; i++) namespaces.push(await freshNamespace("bench"));
    const targets = namespaces.map(({ name, path }) => targetOf(name, path));
    const state = stateOf(100);
    for (const target of targets) await backend.apply(target, diff(EMPTY, state), state);
    const next = oneTaskMore(state, 50);
    const ops = diff(state, next);
    const all = await seconds(async () => {
      for (const target of targets) await backend.apply(target, ops, next);
    });
    report("nftables, 100 sandboxes x 100 services: one service scaled in all", all, "s", 1);
  } finally {
    for (const namespace of namespaces) await namespace.remove();
  }
}

/** Connections to a VIP beside connections to the task itself, from the same client; rounds take turns. */
async function connecting(): Promise<void> {
  const world = await makeWorld();
  const backend = new NftablesBackend();
  try {
    const client = world.peers["c1"] as Peer;
    const target = targetOf("c1", client.namespace.path);
    const tasks = ["t1", "t2", "t3"].map((task) => addressOf(task, "blue", 4));
    const vip = addressOf(50, "blue", 4);
    const server = { ...serverOf(0), vip, destinations: tasks.map((address) => ({ address, weight: 1 })) };
    const state: LbState = { ...stateOf(1_000), servers: [server, ...stateOf(1_000).servers.slice(1)] };
    await backend.apply(target, diff(EMPTY, state), state);
    // The same three tasks, at their other network's addresses: two ways to one address would take each other's ports.
    const direct = ["t1", "t2", "t3"].map((task) => addressOf(task, "green", 4));
    await client.namespace.run("sh", "-c", "echo 1024 65535 > /proc/sys/net/ipv4/ip_local_port_range");
    const rates: Record<"direct" | "vip", number[]> = { direct: [], vip: [] };
    const slow: Record<"direct" | "vip", number[]> = { direct: [], vip: [] };
    for (let round = -2; round < 16; round++) {
      for (const [how, to] of [
        ["direct", direct],
        ["vip", [vip]],
      ] as const) {
        let times: number[] = [];
        const took = await seconds(async () => {
          times = await client.time(to, PORT, 500, 8);
        });
        if (round < 0) continue;
        rates[how].push(500 / took);
        slow[how].push(percentile(times, 0.99));
      }
    }
    report("nftables: connections to a task itself", median(rates.direct), "per second");
    report("nftables: connections through a VIP, 1 000 services", median(rates.vip), "per second");
    report("nftables: rate lost to the VIP", 100 * (1 - median(rates.vip) / median(rates.direct)), "%", 15);
    report("nftables: p99 of a connection to a task itself", median(slow.direct), "ms");
    report("nftables: p99 of a connection through a VIP", median(slow.vip), "ms", median(slow.direct) * 1.15);
  } finally {
    await world.close();
  }
}

function stateOf(services: number): LbState {
  const servers = Array.from({ length: services }, (_, i) => serverOf(i));
  return { ...EMPTY, servers, addresses: servers.map(({ vip }) => ({ address: vip, device: "lo" })) };
}

/** Ids as long as Docker's. */
function serverOf(i: number): VirtualServer {
  const at = (n: number) => `10.${n}.${i >> 8}.${i & 255}`;
  return {
    key: `${`service${i}`.padEnd(25, "z")}/${"network".padEnd(25, "z")}/4`,
    vip: at(10),
    mark: 256 + i,
    from: "local",
    ports: [],
    scheduler: "rr",
    affinity: 0,
    forwarding: "masquerade",
    destinations: Array.from({ length: TASKS }, (_, t) => ({ address: at(20 + t), weight: 1 })),
  };
}

function oneTaskMore(state: LbState, index: number): LbState {
  const servers = [...state.servers];
  const server = servers[index]!;
  const address = `10.9.${server.destinations.length}.${index & 255}`;
  servers[index] = { ...server, destinations: [...server.destinations, { address, weight: 1 }] };
  return { ...state, servers };
}

const targetOf = (name: string, netns: string): LbTarget => ({
  kind: "sandbox",
  id: `sandbox/${name}`,
  sandbox: name,
  netns,
});

async function inNamespace(work: (target: LbTarget) => Promise<void>): Promise<void> {
  const namespace = await freshNamespace("bench");
  try {
    await work(targetOf(namespace.name, namespace.path));
  } finally {
    await namespace.remove();
  }
}
