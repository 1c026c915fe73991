/** Firewalls as they really are: started in a namespace, or with the rules that they were seen to write. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { vi } from "vitest";
import { type Done, exec, toolPath } from "../../src/os/exec.ts";
import { inNetns } from "../../src/os/netns.ts";
import type { Namespace } from "./namespaces.ts";

export interface Firewall {
  readonly name: string;
  /** Starts it on the host; resolves to how it is ended. */
  readonly start: (host: Namespace) => Promise<() => Promise<void>>;
  /** Its rules, as they were listed, are such that drop something. */
  readonly drops: (listed: Done) => boolean;
  /** What the operator is told to do; missing: nothing is left to him. */
  readonly allows?: string;
}

const including =
  (text: string) =>
  ({ stdout }: Done): boolean =>
    stdout.includes(text);

export const FIREWALLS: readonly Firewall[] = [
  { name: "firewalld", start: firewalld, drops: including("reject with icmpx admin-prohibited") },
  { name: "ufw", start: ufw, drops: including("ufw-reject-forward") },
  { name: "dockerd", start: dockerd, drops: including("-P FORWARD DROP") },
  { name: "docker, of a swarm", start: dockerOfSwarm, drops: including("DOCKER-ISOLATION-STAGE-1") },
  { name: "iptables, legacy", start: policy("legacy"), drops: including(":FORWARD DROP") },
  { name: "iptables, nft", start: policy("nft"), drops: including("policy drop") },
  {
    name: "nftables, as in Debian's example of a gateway",
    start: rules(`table inet filter { chain forward { type filter hook forward priority 0; policy drop;
      ct state established,related accept; oifname "nat0" accept; }; }`),
    drops: including("policy drop"),
    allows: "nft insert rule inet filter forward ct status dnat accept",
  },
];

function policy(variant: "legacy" | "nft") {
  return async ({ run }: Namespace) => {
    for (const tool of ["iptables", "ip6tables"]) await run(`${tool}-${variant}`, "-P", "FORWARD", "DROP");
    return async () => {};
  };
}

function rules(text: string) {
  return async ({ run }: Namespace) => {
    await run("nft", text);
    return async () => {};
  };
}

/** Drops what it does not know if it was itself that made the host forward. */
async function dockerd(host: Namespace) {
  await host.run("sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_forward");
  const own = `mount -t tmpfs none /run; mount -t tmpfs none /tmp; mkdir -p /var/lib/docker; mount -t tmpfs none /var/lib/docker
    at=/sys/fs/cgroup; [ -e $at/cgroup.controllers ] || [ -e $at/devices ] || {
      mount -t tmpfs none $at; mkdir $at/devices; mount -t cgroup -o devices none $at/devices; }
    exec dockerd --data-root /var/lib/docker --exec-root /run/docker --pidfile /run/docker.pid --storage-driver vfs -H unix:///run/docker.sock`;
  const last = "iptables -S DOCKER-USER | grep -q RETURN && iptables -S FORWARD | grep -q DROP";
  return daemon(host, own, "sh", "-c", last);
}

/** What a real engine wrote (test/golden/balancing), for a host whose bridge is called `gw`. */
async function dockerOfSwarm({ path }: Namespace) {
  const file = new URL("../golden/balancing/data/02-web3.json", import.meta.url);
  const lines: readonly string[] = JSON.parse(readFileSync(file, "utf8")).namespaces.host.iptables;
  const filter = lines.slice(lines.indexOf("*filter") + 1).filter((line) => line.startsWith("-A"));
  const own = filter.map((line) => line.replaceAll("docker_gwbridge", "gw")).filter((line) => !line.includes("/32"));
  const chains = new Set(own.flatMap((line) => line.match(/DOCKER[A-Z0-9-]*/g) ?? []));
  const input = ["*filter", ":FORWARD DROP", ...[...chains].map((chain) => `:${chain} -`), ...own, "COMMIT", ""].join(
    "\n",
  );
  for (const tool of ["iptables-restore", "ip6tables-restore"]) {
    const { status, stderr } = await exec(tool, [], { netns: path, input });
    if (status !== 0) throw new Error(`${tool}: ${stderr}`);
  }
  return async () => {};
}

/** Its files are copies, which go with its mounts. */
async function ufw(host: Namespace) {
  const own = `set -e; mount -t tmpfs none /run; mount -t tmpfs none /tmp; mkdir -p /run/lock
    cp -a /etc/ufw /tmp/etc; mount --bind /tmp/etc /etc/ufw; cp /etc/default/ufw /tmp/default; mount --bind /tmp/default /etc/default/ufw
    ufw --force enable`;
  await host.run("unshare", "-m", "--propagation", "private", "sh", "-c", own);
  return async () => {};
}

async function firewalld(host: Namespace) {
  const own = `mount -t tmpfs none /run; mount -t tmpfs none /tmp; mount -t tmpfs none /var/log; mkdir -p /run/dbus
    dbus-daemon --system --fork; exec firewalld --nofork --nopid`;
  return daemon(host, own, "nft", "list", "chain", "inet", "firewalld", "filter_FORWARD");
}

/** A service with mounts and processes of its own, which go with it; it is ready when the command succeeds. */
async function daemon(host: Namespace, script: string, ...ready: [command: string, ...args: string[]]) {
  const args = ["-m", "-p", "--fork", "--kill-child", "--mount-proc", "--propagation", "private", "sh", "-c", script];
  const child = inNetns(host.path, () => spawn(toolPath("unshare"), args, { stdio: "ignore" }));
  await vi.waitFor(() => host.run(...ready), { timeout: 30_000, interval: 200 });
  return async () => {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  };
}
