/**
 * What a published port needs on the host beside our table. An accept in our table does not save a packet that another table
 * drops, so where iptables' FORWARD chain holds anything (Docker makes its policy DROP), connections that were led over our
 * bridges are accepted there, in a chain of our own. firewalld accepts translated connections by itself. And the kernel
 * must be told to route connections from 127.0.0.1 over the bridge.
 */

import { familyOf } from "../../../model/address.ts";
import type { LbTarget, PublishedPort } from "../../state.ts";
import { LbError } from "../backend.ts";
import { inside } from "../common/failure.ts";
import { bridgesOf, type Localnet } from "../common/localnet.ts";
import { runTool, wordsOf } from "../common/tool.ts";

const CHAIN = "ELEVEN-FORWARD";
const JUMP = `-A FORWARD -j ${CHAIN}`;

/** Makes it so for the bridges of `published`; for all of them, since the chain is written anew. */
export async function openForwarding(
  target: LbTarget,
  published: readonly PublishedPort[],
  localnet: Localnet,
): Promise<void> {
  const bridges = bridgesOf(published).sort();
  localnet.open(target, published);
  for (const tool of toolsFor(published)) {
    const rules = await forwardRules(target, tool);
    if (rules === undefined || isOpen(rules, bridges)) continue;
    const jump = rules.includes(JUMP) ? [] : [`-I FORWARD -j ${CHAIN}`];
    await restore(target, tool, [`:${CHAIN} - [0:0]`, ...bridges.flatMap(accepting), ...jump]);
  }
}

/** Takes back what openForwarding did to iptables. */
export async function closeForwarding(target: LbTarget): Promise<void> {
  for (const tool of TOOLS) {
    const rules = await forwardRules(target, tool);
    if (rules?.some((rule) => rule.includes(CHAIN)) !== true) continue;
    const jump = rules.includes(JUMP) ? [`-D FORWARD -j ${CHAIN}`] : [];
    await restore(target, tool, [`:${CHAIN} - [0:0]`, ...jump, `-X ${CHAIN}`]);
  }
}

/** Those published ports for which all that is (still) so. */
export async function reachable(
  target: LbTarget,
  published: readonly PublishedPort[],
  localnet: Localnet,
): Promise<readonly PublishedPort[]> {
  if (published.length === 0) return published;
  const closed = new Set<string>();
  for (const tool of toolsFor(published)) {
    const rules = await forwardRules(target, tool);
    if (rules !== undefined && !isOpen(rules, bridgesOf(published))) closed.add(tool);
  }
  return inside(target, "route_localnet", () =>
    published.filter((p) => !closed.has(toolFor(p)) && localnet.isOpenFor(p)),
  );
}

const TOOLS = ["iptables", "ip6tables"] as const;
const toolFor = ({ to }: PublishedPort): string => (familyOf(to) === 6 ? "ip6tables" : "iptables");
const toolsFor = (published: readonly PublishedPort[]) =>
  TOOLS.filter((tool) => published.some((p) => toolFor(p) === tool));

/** ctstate DNAT is said of packets in both directions. */
const accepting = (bridge: string): readonly string[] => [
  `-A ${CHAIN} -o ${bridge} -m conntrack --ctstate DNAT -j ACCEPT`,
  `-A ${CHAIN} -i ${bridge} -m conntrack --ctstate DNAT -j ACCEPT`,
];

/** Nothing there that could drop, or our chain in front of it. */
function isOpen(rules: readonly string[], bridges: readonly string[]): boolean {
  if (rules.length === 1 && rules[0] === "-P FORWARD ACCEPT") return true;
  const wanted = bridges.flatMap(accepting);
  const ours = rules.filter((rule) => rule.startsWith(`-A ${CHAIN} `));
  return rules.includes(JUMP) && ours.length === wanted.length && wanted.every((rule) => ours.includes(rule));
}

/** Policy and rules of FORWARD and of our chain; undefined where there is no (working) iptables, which then drops nothing. */
async function forwardRules(target: LbTarget, tool: string): Promise<readonly string[] | undefined> {
  try {
    const { status, stdout } = await runTool(target, tool, ["-w", "-S"]);
    if (status !== 0) return undefined;
    return stdout.split("\n").filter((line) => /^-[PA] (FORWARD|ELEVEN-FORWARD) /.test(line));
  } catch (error) {
    if (error instanceof LbError && error.code === "missing") return undefined;
    throw error;
  }
}

async function restore(target: LbTarget, tool: string, lines: readonly string[]): Promise<void> {
  const input = ["*filter", ...lines, "COMMIT", ""].join("\n");
  const done = await runTool(target, `${tool}-restore`, ["-w", "--noflush"], { input });
  if (done.status !== 0) throw new LbError("failed", target, `${tool}-restore: ${wordsOf(done, "it")}`);
}
