/**
 * `npm test`: installs the Debian packages the tests need (as root, if missing), builds, checks, runs everything.
 * `npm run test:kernel`: the same for the suites that need a kernel of their own (test/kernel).
 * `npm run test:hostile`: the same for attacks from inside containers (test/hostile).
 */
import { spawnSync } from "node:child_process";

/** Command the tests call, and the Debian package it comes with. */
const TOOLS: Record<string, string> = {
  dig: "bind9-dnsutils",
  dnsmasq: "dnsmasq-base",
  unbound: "unbound",
  dnsperf: "dnsperf",
  ip: "iproute2",
  nft: "nftables",
  iptables: "iptables",
  modprobe: "kmod",
  setpriv: "util-linux",
  script: "bsdutils",
  strace: "strace",
  curl: "curl",
  "systemd-analyze": "systemd",
  "/usr/lib/cni/bridge": "containernetworking-plugins",
};
/** For kernels with IPVS: User Mode Linux, and Debian's own in qemu. */
const KERNEL_TOOLS: Record<string, string> = {
  "linux.uml": "user-mode-linux",
  "qemu-system-x86_64": "qemu-system-x86",
  busybox: "busybox-static",
  cpio: "cpio",
  ipvsadm: "ipvsadm",
  firewalld: "firewalld",
  "dbus-daemon": "dbus-daemon",
  ufw: "ufw",
  conntrack: "conntrack",
  dockerd: "docker.io",
  ctr: "containerd",
};

const kernel = process.argv.includes("--kernel");
const hostile = process.argv.includes("--hostile");

installMissing(kernel ? { ...TOOLS, ...KERNEL_TOOLS } : TOOLS);
run("npm", ["run", "--silent", "build"]);
if (!kernel && !hostile) run("npm", ["run", "--silent", "check"]);
const projects = kernel ? ["kernel"] : hostile ? ["hostile"] : ["unit", "system", "fuzz"];
run("node_modules/.bin/vitest", ["run", ...projects.flatMap((project) => ["--project", project])]);

function installMissing(needed: Record<string, string>): void {
  const missing = Object.keys(needed).filter(
    (c) => spawnSync("sh", ["-c", `PATH=$PATH:/usr/sbin:/sbin command -v ${c}`]).status !== 0,
  );
  if (missing.length === 0) return;
  const packages = missing.map((c) => needed[c]!);
  const debian = spawnSync("sh", ["-c", "command -v apt-get"]).status === 0;
  if (process.getuid?.() !== 0 || !debian) {
    console.log(
      `Not installed: ${missing.join(", ")}. Tests that need them are skipped; to run them: apt-get install ${packages.join(" ")}`,
    );
    return;
  }
  console.log(`Installing ${packages.join(" ")} for the tests.`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const quiet = { stdio: ["ignore", "ignore", "inherit"] as ("ignore" | "inherit")[], env };
  const apt = (...args: string[]) => spawnSync("apt-get", args, quiet).status === 0;
  const install = () => apt("install", "-y", "-q", "--no-install-recommends", ...packages);
  if (!(apt("update", "-q") && install())) throw new Error(`apt-get could not install ${packages.join(" ")}`);
}

function run(command: string, args: string[]): void {
  const { status } = spawnSync(command, args, { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
