/**
 * Ours beside its peers: each is started in turn on one CPU and loaded by dnsperf on the other, always ours and one peer
 * side by side, since machines drift. Prints CPU per query and queries a second as ratios, medians over the rounds.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { report } from "./measure.ts";

const ROUNDS = 3;
const SECONDS = "2";
const PORT = { ours: 5300, floor: 5321, unbound: 5322, dnsmasq: 5323, aardvark: 5324, upstream: 5399 };
const RECORDS: Record<string, string[]> = {
  web: ["10.0.1.2"],
  client: ["10.0.1.9"],
  "web.mynet": ["10.0.1.2"],
  rr: ["10.0.1.6", "10.0.1.7"],
  "tasks.web": ["10.0.1.3", "10.0.1.4", "10.0.1.5"],
};
const AARDVARK = "/usr/lib/podman/aardvark-dns";

interface Server {
  readonly name: string;
  readonly port: number;
  readonly command: readonly string[];
  /** Bars for ours against it: CPU per query at most, queries a second at least. */
  readonly cpu?: number;
  readonly rate?: number;
}

interface Load {
  readonly cpu: number;
  readonly rate: number;
  readonly lost: number;
}

export async function run(): Promise<void> {
  if (!has("dnsperf")) return console.log("peers: skipped, dnsperf is not installed");
  const folder = mkdtempSync(join(tmpdir(), "eleven-peers-"));
  await compare(
    "local",
    folder,
    "web A\ntasks.web A\nrr A\nclient A\nweb AAAA\nweb.mynet A\n",
    ours("bench"),
    locals(folder),
  );
  if (!has("unbound")) return;
  const conf = file(
    folder,
    "upstream",
    unbound(PORT.upstream, ['local-zone: "example." redirect', 'local-data: "example. 60 A 192.0.2.1"']),
  );
  const upstream = spawn("taskset", ["-c", "0", "unbound", "-d", "-c", conf], { stdio: "ignore" });
  const names = Array.from({ length: 1_000 }, (_, i) => `n${i}.example A\n`).join("");
  await compare("forwarded", folder, names, ours("bench-forward"), forwarders(folder));
  upstream.kill();
}

const ours = (example: string): Server => ({
  name: "ours",
  port: PORT.ours,
  command: [process.execPath, "dist/main.js", "serve", `examples/${example}.yaml`],
});

function locals(folder: string): Server[] {
  const all = Object.entries(RECORDS).flatMap(([name, addresses]) => addresses.map((a) => [name, a] as const));
  const servers: Server[] = [];
  const source = join(dirname(fileURLToPath(import.meta.url)), "floor.c");
  if (has("gcc") && spawnSync("gcc", ["-O2", "-o", join(folder, "floor"), source]).status === 0)
    servers.push({
      name: "floor (C echo)",
      port: PORT.floor,
      command: [join(folder, "floor"), String(PORT.floor)],
      cpu: 1.3,
    });
  const zones = [
    ...Object.keys(RECORDS).map((n) => `local-zone: "${n}." transparent`),
    ...all.map(([n, a]) => `local-data: "${n}. 600 A ${a}"`),
  ];
  servers.push({
    name: "unbound",
    port: PORT.unbound,
    command: ["unbound", "-d", "-c", file(folder, "unbound", unbound(PORT.unbound, zones))],
    cpu: 0.95,
    rate: 1,
  });
  const hosts = ["local=/web/", "local-ttl=600", ...all.map(([n, a]) => `host-record=${n},${a}`)];
  servers.push({
    name: "dnsmasq",
    port: PORT.dnsmasq,
    command: ["dnsmasq", "-k", "-C", file(folder, "dnsmasq", dnsmasq(hosts))],
    cpu: 0.8,
  });
  mkdirSync(join(folder, "aardvark"));
  file(join(folder, "aardvark"), "mynet", `127.0.0.1\n${all.map(([n, a]) => `${a} ${a}  ${n}\n`).join("")}`);
  servers.push({
    name: "aardvark-dns",
    port: PORT.aardvark,
    command: [AARDVARK, "-c", join(folder, "aardvark"), "-p", String(PORT.aardvark), "run"],
    cpu: 0.38,
  });
  return servers.filter((s) => has(s.command[0]!));
}

function forwarders(folder: string): Server[] {
  const to = ["cache-max-ttl: 0", "cache-max-negative-ttl: 0", "outgoing-range: 4096", "num-queries-per-thread: 2048"];
  const zone = `forward-zone:\n name: "."\n forward-addr: 127.0.0.1@${PORT.upstream}\n`;
  const asks = ["cache-size=0", "dns-forward-max=1000", `server=127.0.0.1#${PORT.upstream}`];
  const servers: Server[] = [
    {
      name: "unbound",
      port: PORT.unbound,
      command: ["unbound", "-d", "-c", file(folder, "unbound-forward", unbound(PORT.unbound, to) + zone)],
    },
    {
      name: "dnsmasq",
      port: PORT.dnsmasq,
      command: ["dnsmasq", "-k", "-C", file(folder, "dnsmasq-forward", dnsmasq(asks))],
      cpu: 1,
    },
  ];
  return servers.filter((s) => has(s.command[0]!));
}

const unbound = (port: number, lines: readonly string[]): string =>
  `server:\n interface: 127.0.0.1@${port}\n num-threads: 1\n use-syslog: no\n chroot: ""\n username: ""\n pidfile: ""\n access-control: 127.0.0.0/8 allow\n do-not-query-localhost: no\n module-config: "iterator"\n${lines.map((l) => ` ${l}\n`).join("")}remote-control:\n control-enable: no\n`;

const dnsmasq = (lines: readonly string[]): string =>
  [
    `port=${PORT.dnsmasq}`,
    "listen-address=127.0.0.1",
    "bind-interfaces",
    "no-resolv",
    "no-hosts",
    "user=root",
    "log-facility=/dev/null",
    ...lines,
    "",
  ].join("\n");

async function compare(
  what: string,
  folder: string,
  queries: string,
  mine: Server,
  peers: readonly Server[],
): Promise<void> {
  const asked = file(folder, `queries-${what}`, queries);
  const pairs = new Map(peers.map((p) => [p, [] as [Load, Load][]]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, peer] of peers.entries()) {
      const order = (round + i) % 2 === 0 ? [mine, peer] : [peer, mine];
      const loads = new Map<Server, Load>();
      for (const server of order) loads.set(server, await load(server, asked));
      pairs.get(peer)!.push([loads.get(mine)!, loads.get(peer)!]);
    }
  }
  const own = [...pairs.values()].flat().map(([m]) => m);
  report(`${what}: ours, CPU per query`, median(own.map((l) => l.cpu)), "us");
  report(`${what}: ours`, median(own.map((l) => l.rate)), "q/s");
  report(
    `${what}: ours, lost`,
    own.reduce((n, l) => n + l.lost, 0),
    "queries",
    1,
  );
  for (const [peer, loads] of pairs) {
    const theirs = `${median(loads.map(([, p]) => p.cpu)).toFixed(2)} us, ${Math.round(median(loads.map(([, p]) => p.rate)))} q/s`;
    report(
      `${what}: CPU per query, x ${peer.name} (${theirs})`,
      median(loads.map(([m, p]) => m.cpu / p.cpu)),
      "x",
      peer.cpu,
    );
    const rate = median(loads.map(([m, p]) => m.rate / p.rate));
    const bar = peer.rate === undefined ? "" : `   bar >= ${peer.rate} x   ${rate >= peer.rate ? "ok" : "MISSED"}`;
    console.log(`${`${what}: queries a second, x ${peer.name}`.padEnd(58, ".")} ${rate.toFixed(2)} x${bar}`);
  }
}

/** Starts the server, warms it up, loads it; CPU in microseconds per query, all threads. */
async function load({ name, port, command }: Server, queries: string): Promise<Load> {
  const child = spawn("taskset", ["-c", "1", ...command], { stdio: "ignore", detached: true });
  const pid = await listener(port, name);
  const ask = (seconds: string) =>
    spawnSync("taskset", [
      "-c",
      "0",
      "dnsperf",
      "-s",
      "127.0.0.1",
      "-p",
      String(port),
      "-d",
      queries,
      "-l",
      seconds,
      "-c",
      "8",
      "-q",
      "100",
    ]).stdout.toString();
  ask("1");
  const before = ticks(pid);
  const said = ask(SECONDS);
  const used = ticks(pid) - before;
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    for (const id of [pid, -child.pid!])
      try {
        process.kill(id, signal);
      } catch {} // it has ended
    await new Promise((done) => setTimeout(done, 200));
  }
  const number = (pattern: RegExp) => Number(pattern.exec(said)?.[1]);
  return {
    cpu: (used * 10_000) / number(/Queries completed: +(\d+)/), // a tick is 10 ms
    rate: number(/Queries per second: +([\d.]+)/),
    lost: number(/Queries lost: +(\d+)/),
  };
}

async function listener(port: number, name: string): Promise<number> {
  for (let i = 0; i < 100; i++) {
    const pid = /pid=(\d+)/.exec(spawnSync("ss", ["-lunpH", `sport = :${port}`]).stdout.toString())?.[1];
    if (pid !== undefined) return Number(pid);
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`${name} does not listen on port ${port}`);
}

function ticks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

function file(folder: string, name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

const has = (command: string): boolean =>
  existsSync(command) || spawnSync("sh", ["-c", `PATH=$PATH:/usr/sbin command -v ${command}`]).status === 0;

const median = (numbers: readonly number[]): number => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!;
