/** The redirect as iptables' chains, for kernels whose nf_tables can't. Only our own chains are asked for: others may hold as many rules as they like. */
import { familyOf } from "../model/address.ts";
import { capabilitiesOf, type Done, exec, said } from "../os/exec.ts";
import { hasTable } from "../os/netlink/nfnetlink.ts";
import { FAMILY } from "../os/nftables/message.ts";
import { xtablesSizes } from "../os/xtables.ts";
import type { Ports, Redirect } from "./redirect-table.ts";

/** iptables, in either flavour, has rules of whomever in the namespace of this thread. */
export const hasChains = (at: Redirect): boolean =>
  hasTable(isIp6(at) ? FAMILY.ip6 : FAMILY.ip, "nat") || xtablesSizes() !== "";

/** In iptables' words. Empty if one of them is missing, or there is more than we ever wrote. */
export async function presentChains(at: Redirect): Promise<string> {
  let all = "";
  for (const chain of CHAINS) {
    const own = await listed(at, ["-w", "-t", "nat", "-S", chainName(chain, at)]);
    if (own === "" || (await run(at, iptables(at), ["-w", "-t", "nat", "-C", ...jump(chain, at)])) !== undefined)
      return "";
    all += own;
  }
  return all;
}

/** What went wrong; undefined if nothing did. */
export async function installChains(at: Redirect, ports: Ports): Promise<string | undefined> {
  const [output, postrouting] = CHAINS.map((c) => chainName(c, at));
  const rules = (["tcp", "udp"] as const).flatMap((p) => [
    `-A ${output} -d ${at.address} -p ${p} --dport ${at.port} -j DNAT --to-destination ${host(at)}:${ports[p]}`,
    `-A ${postrouting} -s ${at.address} -p ${p} --sport ${ports[p]} -j SNAT --to-source ${host(at)}:${at.port}`,
  ]);
  const input = ["*nat", `:${output} - [0:0]`, `:${postrouting} - [0:0]`, ...rules, "COMMIT", ""].join("\n");
  const problem = await run(at, `${iptables(at)}-restore`, ["-w", "--noflush"], input);
  if (problem !== undefined) return problem;
  for (const chain of CHAINS) {
    if ((await run(at, iptables(at), ["-w", "-t", "nat", "-C", ...jump(chain, at)])) === undefined) continue;
    const refused = await run(at, iptables(at), ["-w", "-t", "nat", "-I", ...jump(chain, at)]);
    if (refused !== undefined) return refused;
  }
  return undefined;
}

export async function removeChains(at: Redirect): Promise<void> {
  for (const chain of CHAINS) {
    const own = chainName(chain, at);
    if ((await run(at, iptables(at), ["-w", "-t", "nat", "-D", ...jump(chain, at)])) !== undefined) continue;
    await run(at, iptables(at), ["-w", "-t", "nat", "-F", own]);
    await run(at, iptables(at), ["-w", "-t", "nat", "-X", own]);
  }
}

const CHAINS = ["OUTPUT", "POSTROUTING"] as const;

const isIp6 = ({ address }: Redirect): boolean => familyOf(address) === 6;
const iptables = (at: Redirect): string => (isIp6(at) ? "ip6tables" : "iptables");
const host = (at: Redirect): string => (isIp6(at) ? `[${at.address}]` : at.address);

/** Chain names have 28 octets at most. */
const chainName = (chain: (typeof CHAINS)[number], { address, port }: Redirect): string =>
  `E11${chain[0]}_${address.replace(/[^0-9a-f]/gi, "")}_${port}`.slice(0, 28);

const jump = (chain: (typeof CHAINS)[number], at: Redirect): string[] => [
  chain,
  "-d",
  at.address,
  "-j",
  chainName(chain, at),
];

/** What iptables printed; nothing if it failed, or printed too much. */
async function listed(at: Redirect, args: string[]): Promise<string> {
  const done = await inside(at, iptables(at), args).catch(() => undefined);
  return done?.status === 0 ? done.stdout : "";
}

/** What went wrong, on one line; undefined if nothing did. */
async function run(at: Redirect, command: string, args: string[], input = ""): Promise<string | undefined> {
  try {
    const { status, stderr } = await inside(at, command, args, input);
    if (status < 0) return `${command}: ended after ${TIMEOUT / 1000} s, or for printing too much`;
    return status === 0 ? undefined : `${command}: ${said(stderr) || `status ${status}`}`;
  } catch (error) {
    return `${command}: ${error instanceof Error ? error.message : error}`;
  }
}

/** The tool reads rules that the sandbox may have written for its parser: it can do little, has little time and little to say. */
const inside = ({ netns }: Redirect, command: string, args: string[], input = ""): Promise<Done> =>
  exec(command, args, {
    netns,
    input,
    capabilities: capabilitiesOf(command),
    timeout: TIMEOUT,
    most: MOST,
  });

/** Octets: far more than our own chain prints. */
const MOST = 65_536;
const TIMEOUT = 10_000;
