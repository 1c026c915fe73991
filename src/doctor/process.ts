/** What this process may do, and what it is made of. */
import { type Check, ok, problem, unknown, warning } from "./finding.ts";

/** package.json's "engines". */
const OLDEST_NODE = [20, 19] as const;

export const node: Check = ({ node, platform }) => {
  const [major = 0, minor = 0] = node.split(".").map(Number);
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1]))
    return problem("node", `Node ${node}`, `install Node ${OLDEST_NODE.join(".")} or newer`);
  if (platform !== "linux")
    return warning("node", `Node ${node} on ${platform}`, "names work here; namespaces and balancing need Linux");
  return ok("node", `Node ${node} on Linux`);
};

export const systemCalls: Check = ({ noCalls }) =>
  noCalls === undefined
    ? ok("system calls", "koffi is there: namespaces, batches of datagrams, netlink")
    : problem("system calls", noCalls, "npm rebuild koffi (as the user who installed eleven-dns)");

/** capabilities(7): the bit of each that an agent needs, and for what. */
const NEEDED = [
  ["CAP_NET_BIND_SERVICE", 10, "port 53"],
  ["CAP_NET_ADMIN", 12, "rules, addresses, routes"],
  ["CAP_NET_RAW", 13, "sources of published ports through iptables"],
  ["CAP_SYS_ADMIN", 21, "sandboxes in other namespaces"],
] as const;

export const capabilities: Check = ({ read }) => {
  const [, hex] = /^CapEff:\s*([0-9a-f]+)$/m.exec(read("/proc/self/status") ?? "") ?? [];
  if (hex === undefined) return unknown("capabilities", "/proc/self/status can't be read");
  const effective = BigInt(`0x${hex}`);
  const missing = NEEDED.filter(([, bit]) => ((effective >> BigInt(bit)) & 1n) === 0n);
  if (missing.length === 0) return ok("capabilities", "all that an agent needs");
  const names = missing.map(([name]) => name);
  return warning(
    "capabilities",
    `without ${missing.map(([name, , use]) => `${name} (${use})`).join(", ")}`,
    `run it as root, or give its service AmbientCapabilities=${names.join(" ")}`,
  );
};

/** Descriptors of a sandbox with UDP and TCP, a watch, and balancing; rounded up. */
const PER_SANDBOX = 8;

export const descriptors: Check = ({ read }) => {
  const [, soft] = /^Max open files\s+(\d+|unlimited)/m.exec(read("/proc/self/limits") ?? "") ?? [];
  if (soft === undefined) return unknown("open files", "/proc/self/limits can't be read");
  if (soft === "unlimited") return ok("open files", "no limit");
  const sandboxes = Math.floor(Number(soft) / PER_SANDBOX / 2); // half of them are for TCP connections
  const found = `at most ${soft}, for about ${sandboxes} sandboxes`;
  return Number(soft) >= 16_384
    ? ok("open files", found)
    : warning("open files", found, "LimitNOFILE=65536 in the service, or ulimit -n 65536");
};

export const inotify: Check = ({ read }) => {
  const most = Number(read("/proc/sys/fs/inotify/max_user_watches") ?? Number.NaN);
  if (Number.isNaN(most)) return unknown("file watches", "fs.inotify.max_user_watches can't be read");
  return most >= 8_192
    ? ok("file watches", `${most} allowed`)
    : warning("file watches", `only ${most} allowed`, "sysctl -w fs.inotify.max_user_watches=65536");
};
