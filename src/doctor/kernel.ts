/** What the kernel has and how it is set, for balancing. */
import { type Check, type Finding, type Machine, ok, problem, unknown, warning } from "./finding.ts";

const MODULES = {
  nftables:
    "modprobe -a nf_tables nft_chain_nat nft_ct nft_numgen nft_masq nft_redir (Debian: linux-image-amd64 has them)",
  ipvs: "modprobe -a ip_vs ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_wlc ip_vs_sh ip_vs_mh (without it nftables balances)",
} as const;

/** One of the two is enough; `auto` takes IPVS first. */
export async function backends(machine: Machine): Promise<Finding[]> {
  const looked = await Promise.all((["nftables", "ipvs"] as const).map((name) => looked1(machine, name)));
  const works = looked.some(({ state }) => state === "ok");
  return looked.map((finding) => (works && finding.state === "problem" ? { ...finding, state: "warning" } : finding));
}

async function looked1(machine: Machine, name: "ipvs" | "nftables"): Promise<Finding> {
  const check = `balancing with ${name}`;
  if (!machine.root) return unknown(check, "only root can try it", "sudo eleven doctor");
  try {
    const why = await machine.backendProblem(name);
    return why === undefined ? ok(check, "works here") : problem(check, why, MODULES[name]);
  } catch (error) {
    return unknown(check, `it could not be tried: ${error instanceof Error ? error.message : error}`);
  }
}

/** Beyond this share of the table, a burst of connections finds it full, and the kernel drops them. */
const CROWDED = 0.8;

export const connections: Check = ({ read }) => {
  const [count, most] = ["count", "max"].map((name) =>
    Number(read(`/proc/sys/net/netfilter/nf_conntrack_${name}`) ?? Number.NaN),
  );
  if (count === undefined || most === undefined || Number.isNaN(count + most))
    return ok("tracked connections", "conntrack is not in use yet");
  const found = `${count} of ${most}`;
  if (count < CROWDED * most) return ok("tracked connections", found);
  return problem(
    "tracked connections",
    `${found}: a full table drops new connections`,
    `sysctl -w net.netfilter.nf_conntrack_max=${4 * most}`,
  );
};

export const forwarding: Check = ({ read }) =>
  read("/proc/sys/net/ipv4/ip_forward")?.trim() === "0"
    ? warning(
        "forwarding",
        "net.ipv4.ip_forward is 0: published ports and networks between hosts need it",
        "sysctl -w net.ipv4.ip_forward=1 (and a file in /etc/sysctl.d to keep it)",
      )
    : ok("forwarding", "on");

export const bridges: Check = ({ read }) =>
  read("/proc/sys/net/bridge/bridge-nf-call-iptables")?.trim() === "1"
    ? warning(
        "bridges",
        "net.bridge.bridge-nf-call-iptables is 1: packets between containers of one bridge pass the host's FORWARD rules",
        "fine if FORWARD lets them pass; else sysctl -w net.bridge.bridge-nf-call-iptables=0",
      )
    : ok("bridges", "packets between containers of one bridge don't meet the host's firewall");
