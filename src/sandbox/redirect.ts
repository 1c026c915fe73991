/**
 * Port 53 without binding it, as Docker does it (libnetwork resolver_unix.go): in the sandbox's namespace, packets to the
 * address are sent to random ports, and answers come from port 53. In a table or chains of our own, so that whatever else
 * is there stays, and doing it again ends the same.
 */
import { familyOf } from "../model/address.ts";
import { capabilitiesOf, type Done, exec, said } from "../os/exec.ts";
import { hasTable } from "../os/netlink/nfnetlink.ts";
import { inNetns } from "../os/netns.ts";
import { portOf } from "../os/socket.ts";
import { xtablesSizes } from "../os/xtables.ts";

export interface Redirect {
  /** Path of the namespace. */
  readonly netns: string;
  readonly address: string;
  readonly port: number;
}

/** The pair of sockets that is listening behind it. */
export type Behind = { readonly udp: number; readonly tcp: number };

/**
 * What is there of it, in the words of the tool that it is installed with: to be compared, nothing else. Empty if nothing is, or if
 * it can't be told. Only our own table and chains are asked for: others in there may hold as many rules as they like.
 */
export async function presentRedirect(at: Redirect): Promise<string> {
  const ours = await listed(at, "nft", ["list", "table", family(at), table(at)]);
  if (ours !== "") return ours;
  let all = "";
  for (const chain of CHAINS) {
    const own = await listed(at, iptables(at), ["-w", "-t", "nat", "-S", chainName(chain, at)]);
    if (own === "" || (await run(at, iptables(at), ["-w", "-t", "nat", "-C", ...jump(chain, at)])) !== undefined)
      return "";
    all += own;
  }
  return all;
}

/**
 * Removes one that leads to nobody: a process that was killed left it, and it would take every question from whoever listens on the
 * port itself now. Costs little where there is none.
 */
export async function removeLeftover(at: Redirect): Promise<void> {
  if (inNetns(at.netns, () => hasTable(nfproto(at), table(at)) || hasChains(at))) await removeRedirect(at);
}

const nfproto = ({ address }: Redirect): number => (familyOf(address) === 6 ? NFPROTO_IP6 : NFPROTO_IP);

/** iptables, in either flavour, has rules of whomever in the namespace of this thread. */
const hasChains = (at: Redirect): boolean => hasTable(nfproto(at), "nat") || xtablesSizes() !== "";

const NFPROTO_IP = 2;
const NFPROTO_IP6 = 10;

/** With nft, else with iptables; rejects if neither works. */
export async function installRedirect(at: Redirect, { udp, tcp }: Behind): Promise<void> {
  const ports = { udp: portOf(udp), tcp: portOf(tcp) };
  const problem = await run(at, "nft", ["-f", "-"], nftTable(at, ports));
  if (problem === undefined) return;
  const other = await installChains(at, ports);
  if (other !== undefined) throw new Error(`${at.netns}: port ${at.port} can't be redirected: ${problem}; ${other}`);
}

/** Nothing of it is left. That the namespace is gone is fine. */
export async function removeRedirect(at: Redirect): Promise<void> {
  await run(at, "nft", ["delete", "table", family(at), table(at)]);
  if (!mayHaveChains(at)) return; // two processes less, and iptables makes tables where it looks for something
  for (const chain of CHAINS) {
    const own = chainName(chain, at);
    if ((await run(at, iptables(at), ["-w", "-t", "nat", "-D", ...jump(chain, at)])) !== undefined) continue;
    await run(at, iptables(at), ["-w", "-t", "nat", "-F", own]);
    await run(at, iptables(at), ["-w", "-t", "nat", "-X", own]);
  }
}

function mayHaveChains(at: Redirect): boolean {
  try {
    return inNetns(at.netns, () => hasChains(at));
  } catch {
    return false; // the namespace is gone
  }
}

interface Ports {
  readonly udp: number;
  readonly tcp: number;
}

const family = ({ address }: Redirect): string => (familyOf(address) === 6 ? "ip6" : "ip");
const iptables = ({ address }: Redirect): string => (familyOf(address) === 6 ? "ip6tables" : "iptables");
const host = ({ address }: Redirect): string => (familyOf(address) === 6 ? `[${address}]` : address);

/** One for each address, since sandboxes may share a namespace. */
const table = ({ address, port }: Redirect): string => `eleven_dns_${address.replace(/[^0-9a-f]/gi, "_")}_${port}`;

function nftTable(at: Redirect, ports: Ports): string {
  const f = family(at);
  const name = table(at);
  const rules = (hook: string, priority: number, rule: (protocol: "udp" | "tcp") => string) =>
    `  chain ${hook} { type nat hook ${hook} priority ${priority}; ${rule("udp")}; ${rule("tcp")}; }\n`;
  return `table ${f} ${name}
delete table ${f} ${name}
table ${f} ${name} {
${rules("output", -100, (p) => `${f} daddr ${at.address} ${p} dport ${at.port} dnat to ${host(at)}:${ports[p]}`)}\
${rules("postrouting", 100, (p) => `${f} saddr ${at.address} ${p} sport ${ports[p]} snat to ${host(at)}:${at.port}`)}}
`;
}

const CHAINS = ["OUTPUT", "POSTROUTING"] as const;

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

async function installChains(at: Redirect, ports: Ports): Promise<string | undefined> {
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

/** What a tool printed; nothing if it failed, or printed too much. */
async function listed(at: Redirect, command: string, args: string[]): Promise<string> {
  const done = await inside(at, command, args).catch(() => undefined);
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

/** Octets: far more than our own table or chain prints. */
const MOST = 65_536;
const TIMEOUT = 10_000;
