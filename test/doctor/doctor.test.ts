/** What is said of machines, most of them played, by what they have. */
import { describe, expect, test } from "vitest";
import { examine } from "../../src/doctor/doctor.ts";
import type { Machine } from "../../src/doctor/finding.ts";
import { thisMachine } from "../../src/doctor/machine.ts";

/** Nothing is wrong with it. */
const FILES: Readonly<Record<string, string>> = {
  "/proc/self/status": "Name:\tnode\nCapEff:\t000001ffffffffff\n",
  "/proc/self/limits":
    "Limit  Soft Limit  Hard Limit\nMax open files            65536                65536                files\n",
  "/proc/sys/fs/inotify/max_user_watches": "65536\n",
  "/proc/sys/net/netfilter/nf_conntrack_count": "10\n",
  "/proc/sys/net/netfilter/nf_conntrack_max": "262144\n",
  "/proc/sys/net/ipv4/ip_forward": "1\n",
  "/etc/resolv.conf": "nameserver 192.0.2.53\n",
  "/run/eleven/eleven.sock": "",
};

interface Played {
  readonly files?: Readonly<Record<string, string | undefined>>;
  readonly running?: readonly string[];
  readonly with?: Partial<Machine>;
  readonly problems?: readonly string[] | "no agent" | "not allowed";
}

const played = ({ files = {}, running = [], with: other = {} }: Played): Machine => ({
  ...{ platform: "linux", node: "20.19.0", root: true, noCalls: undefined, running: new Set(running) },
  read: (path) => ({ ...FILES, ...files })[path],
  isThere: (path) => ({ ...FILES, ...files })[path] !== undefined,
  owner: (path) => (path === "/var/lib/eleven" ? { uid: 0, mode: 0o700, directory: true } : undefined),
  backendProblem: async () => undefined,
  ...other,
});

async function told(machine: Played): Promise<string[]> {
  const { problems = [] } = machine;
  const answered = () => ({ version: "1.0", problems: problems as readonly string[] });
  const agent = problems === "no agent" ? undefined : problems === "not allowed" ? problems : answered();
  const findings = await examine(played(machine), {
    stateDir: "/var/lib/eleven",
    socket: "/run/eleven/eleven.sock",
    agent,
  });
  return findings.map(
    ({ check, state, found, fix }) => `${state} ${check}: ${found}${fix === undefined ? "" : ` -> ${fix}`}`,
  );
}

test("a good machine", async () => {
  expect(await told({})).toEqual([
    "ok node: Node 20.19.0 on Linux",
    "ok system calls: koffi is there: namespaces, batches of datagrams, netlink",
    "ok capabilities: all that an agent needs",
    "ok open files: at most 65536, for about 4096 sandboxes",
    "ok file watches: 65536 allowed",
    "ok balancing with nftables: works here",
    "ok balancing with ipvs: works here",
    "ok tracked connections: 10 of 262144",
    "ok forwarding: on",
    "ok bridges: packets between containers of one bridge don't meet the host's firewall",
    "ok firewalld: does not run",
    "ok ufw: is off",
    "ok docker: dockerd does not run",
    "ok NetworkManager: does not run",
    "ok upstreams: 192.0.2.53",
    "ok state: /var/lib/eleven",
    "ok agent: version 1.0 answers on /run/eleven/eleven.sock",
  ]);
});

describe("what is not, each with what to do", () => {
  test.each<[string, Played, string]>([
    ["an old Node", { with: { node: "18.20.1" } }, "problem node: Node 18.20.1 -> install Node 20.19 or newer"],
    [
      "a Mac",
      { with: { platform: "darwin" } },
      "warning node: Node 20.19.0 on darwin -> names work here; namespaces and balancing need Linux",
    ],
    [
      "no koffi",
      { with: { noCalls: "koffi can't be loaded" } },
      "problem system calls: koffi can't be loaded -> npm rebuild koffi (as the user who installed eleven-dns)",
    ],
    [
      "no rights",
      { files: { "/proc/self/status": "CapEff:\t0000000000001400\n" } },
      "warning capabilities: without CAP_NET_RAW (sources of published ports through iptables), CAP_SYS_ADMIN (sandboxes in other namespaces) -> run it as root, or give its service AmbientCapabilities=CAP_NET_RAW CAP_SYS_ADMIN",
    ],
    [
      "few files",
      { files: { "/proc/self/limits": "Max open files            1024                 524288               files\n" } },
      "warning open files: at most 1024, for about 64 sandboxes -> LimitNOFILE=65536 in the service, or ulimit -n 65536",
    ],
    [
      "no IPVS, which nftables stands in for",
      { with: { backendProblem: async (name) => (name === "ipvs" ? "the kernel has no IPVS" : undefined) } },
      "warning balancing with ipvs: the kernel has no IPVS -> modprobe -a ip_vs ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_wlc ip_vs_sh ip_vs_mh (without it nftables balances)",
    ],
    [
      "nothing to balance with",
      { with: { backendProblem: async () => "the kernel has none" } },
      "problem balancing with nftables: the kernel has none -> modprobe -a nf_tables nft_chain_nat nft_ct nft_numgen nft_masq nft_redir (Debian: linux-image-amd64 has them)",
    ],
    [
      "not root",
      { with: { root: false } },
      "unknown balancing with nftables: only root can try it -> sudo eleven doctor",
    ],
    [
      "a namespace can't be made",
      { with: { backendProblem: () => Promise.reject(new Error("EPERM")) } },
      "unknown balancing with nftables: it could not be tried: EPERM",
    ],
    [
      "a full table of connections",
      { files: { "/proc/sys/net/netfilter/nf_conntrack_count": "250000\n" } },
      "problem tracked connections: 250000 of 262144: a full table drops new connections -> sysctl -w net.netfilter.nf_conntrack_max=1048576",
    ],
    [
      "firewalld",
      { running: ["firewalld"] },
      "warning firewalld: it runs: its zones decide who reaches published ports -> firewall-cmd --permanent --zone=trusted --add-interface=BRIDGE && firewall-cmd --reload, for the bridge in balance.mesh.host",
    ],
    [
      "ufw",
      { files: { "/etc/ufw/ufw.conf": "ENABLED=yes\n", "/etc/default/ufw": 'DEFAULT_FORWARD_POLICY="DROP"\n' } },
      "warning ufw: it is on, and forwards nothing by itself -> ufw route allow in on any out on BRIDGE, for the bridge in balance.mesh.host",
    ],
    [
      "docker",
      { running: ["dockerd"] },
      "warning docker: dockerd runs: it has 127.0.0.11 in its own containers, and DROP as policy of FORWARD -> for containers of Docker's own use bind: redirect, so that both have their port 53; published ports go together (docs/load-balancing.md)",
    ],
    [
      "NetworkManager, told to leave us alone",
      {
        running: ["NetworkManager"],
        files: { "/etc/NetworkManager/conf.d/eleven.conf": "[keyfile]\nunmanaged-devices=interface-name:veth*\n" },
      },
      "ok NetworkManager: leaves veth alone (/etc/NetworkManager/conf.d/eleven.conf)",
    ],
    [
      "systemd-resolved",
      { running: ["systemd-resolved"], files: { "/etc/resolv.conf": "nameserver 127.0.0.53\n" } },
      "ok upstreams: 127.0.0.53 (systemd-resolved, asked from the host's namespace)",
    ],
    [
      "no upstreams",
      { files: { "/etc/resolv.conf": "# nothing\n" } },
      "warning upstreams: /etc/resolv.conf names no server: nothing is forwarded -> name some in the config: upstreams: [192.0.2.53]",
    ],
    [
      "state that all can read",
      { with: { owner: () => ({ uid: 0, mode: 0o755, directory: true }) } },
      "problem state: others may look into /var/lib/eleven (mode 755) -> chmod 700 /var/lib/eleven",
    ],
    [
      "nobody behind the socket",
      { problems: "no agent" },
      "warning agent: nobody answers on /run/eleven/eleven.sock -> sudo eleven agent --config FILE; or say where it is: --socket",
    ],
    [
      "a socket for others",
      { problems: "not allowed" },
      "unknown agent: this user may not talk to it on /run/eleven/eleven.sock -> sudo eleven doctor; or let a group in: control: { group: NAME } in its config",
    ],
    [
      "an agent in trouble",
      { problems: ["sandbox/c: degraded: no nf_tables"] },
      "problem agent: sandbox/c: degraded: no nf_tables -> eleven status says more; eleven lb diff, eleven lb repair",
    ],
    [
      "a check that throws",
      {
        with: {
          owner: () => {
            throw new Error("I/O error");
          },
        },
      },
      "unknown state: it could not be looked at: I/O error",
    ],
  ])("%s", async (_, machine, line) => {
    expect(await told(machine)).toContain(line);
  });
});

test("this machine is looked at without an exception, and left as it was", async () => {
  const findings = await examine(thisMachine(), { stateDir: "/nonexistent/eleven", socket: "/nonexistent/socket" });
  expect(findings.find(({ check }) => check === "node")?.state).toBe("ok");
  expect(findings.find(({ check }) => check === "state")).toMatchObject({
    state: "problem",
    fix: expect.stringContaining("mkdir"),
  });
});
