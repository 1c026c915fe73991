/**
 * What a published port needs on the host beside our table. An accept in our table does not save a packet that another table drops, so
 * connections that were led over our bridges are accepted in iptables' FORWARD chains. Nobody should write to nftables chains of somebody
 * else's: one that drops them is named, with the command that lets them pass. And the kernel must be told to route connections from
 * 127.0.0.1 over the bridge. Where there is no firewall, nothing is run.
 */
import { familyOf } from "../../../model/address.ts";
import { type ForwardChain, type ForwardChains, forwardChains } from "../../../os/nftables/forward.ts";
import { xtablesSizes } from "../../../os/xtables.ts";
import type { LbTarget, PublishedPort } from "../../state.ts";
import { LbError } from "../backend.ts";
import { inside, lbError } from "../common/failure.ts";
import { CHAIN, closing, forwardRules, isOpen, opening } from "../common/iptables-forward.ts";
import { bridgesOf, type Localnet } from "../common/localnet.ts";
import { inTheWay } from "../common/passage.ts";
import { runTool, wordsOf } from "../common/tool.ts";
import { TABLE } from "./sets.ts";

/** Makes it so for the bridges of `published`; for all of them, since the chain is written anew. Resolves to what drops them still. */
export async function openForwarding(
  target: LbTarget,
  published: readonly PublishedPort[],
  localnet: Localnet,
): Promise<string | undefined> {
  localnet.open(target, published);
  const chains = chainsOf(target);
  const found = await firewalls(target, chains);
  for (const firewall of found) {
    const bridges = bridgesFor(firewall, published);
    if (bridges.length > 0 && !isOpen(firewall.rules, bridges))
      await restore(target, firewall, opening(firewall.rules, bridges));
  }
  return inTheWay(without(found, chains), published);
}

/** Takes back what openForwarding did to iptables. */
export async function closeForwarding(target: LbTarget): Promise<void> {
  for (const firewall of await firewalls(target, chainsOf(target))) {
    const lines = closing(firewall.rules);
    if (lines !== undefined) await restore(target, firewall, lines);
  }
}

export interface Reachable {
  /** Those published ports for which all that is (still) so. */
  readonly published: readonly PublishedPort[];
  /** What drops some of them, and how it is allowed. */
  readonly blocked?: string | undefined;
}

export async function reachable(
  target: LbTarget,
  published: readonly PublishedPort[],
  localnet: Localnet,
): Promise<Reachable> {
  if (published.length === 0) return { published };
  const chains = chainsOf(target);
  const found = await firewalls(target, chains);
  const closed = new Set(found.filter((f) => !isOpen(f.rules, bridgesFor(f, published))).map(({ tool }) => tool));
  const open = inside(target, "route_localnet", () =>
    published.filter((port) => !closed.has(toolFor(port)) && localnet.isOpenFor(port)),
  );
  return { published: open, blocked: inTheWay(without(found, chains), published) };
}

/** iptables' FORWARD chain of one variant and family, where it is not empty. */
interface Firewall {
  readonly tool: Tool;
  /** The tool of this variant. */
  readonly command: string;
  readonly rules: readonly string[];
  /** The same of the nft variant, as nftables sees it. */
  readonly chain?: ForwardChain;
}

const TOOLS = ["iptables", "ip6tables"] as const;
type Tool = (typeof TOOLS)[number];
const toolFor = ({ to }: PublishedPort): Tool => (familyOf(to) === 6 ? "ip6tables" : "iptables");
const bridgesFor = ({ tool }: Firewall, published: readonly PublishedPort[]): readonly string[] =>
  bridgesOf(published.filter((port) => toolFor(port) === tool)).sort();

function chainsOf(target: LbTarget): ForwardChains {
  try {
    return forwardChains(target.netns, TABLE);
  } catch (error) {
    throw lbError(target, "nftables", error);
  }
}

/** Those that can be asked. Of the kernel first: iptables would make its tables where there are none. */
async function firewalls(target: LbTarget, { chains }: ForwardChains): Promise<readonly Firewall[]> {
  const legacy = inside(target, "iptables", xtablesSizes);
  const found: Firewall[] = [];
  for (const tool of TOOLS) {
    const six = tool === "ip6tables";
    const chain = chains.find((c) => c.family === (six ? "ip6" : "ip") && c.table === "filter" && c.name === "FORWARD");
    const nft = chain !== undefined && isUsed(chain) ? await listed(target, tool, "nft") : undefined;
    if (chain !== undefined && nft !== undefined) found.push({ ...nft, tool, chain });
    const old = new RegExp(`^${six ? 10 : 2} filter `, "m").test(legacy) && (await listed(target, tool, "legacy"));
    if (old) found.push({ ...old, tool });
  }
  return found;
}

const without = (found: readonly Firewall[], { chains, ...rest }: ForwardChains): ForwardChains => ({
  ...rest,
  chains: chains.filter((chain) => !found.some((firewall) => firewall.chain === chain)),
});

const isUsed = ({ policy, rules, unseen }: ForwardChain): boolean =>
  policy === "drop" || unseen !== undefined || (rules.get("FORWARD")?.length ?? 0) > 0 || rules.has(CHAIN);

/** Undefined where there is no (working) iptables of this variant. */
async function listed(target: LbTarget, tool: Tool, variant: "nft" | "legacy") {
  for (const command of [`${tool}-${variant}`, tool]) {
    try {
      if (command === tool && (await variantOf(target, tool)) !== variant) continue;
      const { status, stdout } = await runTool(target, command, ["-w", "-S"]);
      return status === 0 ? { command, rules: forwardRules(stdout) } : undefined;
    } catch (error) {
      if (!(error instanceof LbError) || error.code !== "missing") throw error;
    }
  }
  return undefined;
}

const variantOf = async (target: LbTarget, tool: Tool) =>
  (await runTool(target, tool, ["-V"])).stdout.includes("nf_tables") ? "nft" : "legacy";

async function restore(target: LbTarget, { command }: Firewall, lines: readonly string[]): Promise<void> {
  const tool = `${command}-restore`;
  const input = ["*filter", ...lines, "COMMIT", ""].join("\n");
  const done = await runTool(target, tool, ["-w", "--noflush"], { input });
  if (done.status !== 0) throw new LbError("failed", target, `${tool}: ${wordsOf(done, "it")}`);
}
