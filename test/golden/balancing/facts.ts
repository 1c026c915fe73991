/**
 * Rules, services and addresses as facts: lines that are equal wherever two layouts of chains do the same. Jumps are replaced by
 * what is in the chain, with the jump's conditions before its own; marks by the VIP that has them.
 */

import { bridgesOf } from "../../../src/lb-programmer/backends/common/localnet.ts";
import { EVERY_CHAIN, parseSaved, restoreText } from "../../../src/lb-programmer/backends/ipvs/iptables/saved.ts";
import type { LbState } from "../../../src/lb-programmer/state.ts";
import type { DockerNamespace } from "./capture.ts";

export function factsOfDocker({ iptables, ipvsadm, addresses, sysctls }: DockerNamespace): string[] {
  const vips = vipsByMark(iptables);
  const all = Object.entries(addresses).flatMap(([device, list]) => list.map((a) => `${a} ${device}`));
  return [
    ...ruleFacts(iptables, vips),
    ...ipvsFacts(ipvsadm, vips),
    ...all.filter((a) => a.includes("/32")).map((a) => `address ${a}`),
    ...Object.entries(sysctls).map(([key, value]) => `sysctl ${key} ${value}`),
  ].sort();
}

/** What our backend would install for IPv4, from its own text; or did, with what the tools printed. */
export function factsOfOurs(state: LbState, printed?: { iptables: string; ipvsadm: string }): string[] {
  const text = printed?.iptables ?? restoreText(parseSaved("", 4), state, EVERY_CHAIN, 4).replaceAll("-I ", "-A ");
  const localnet = bridgesOf(state.published).map((bridge) => [`net/ipv4/conf/${bridge}/route_localnet`, "1"]);
  const sysctls = { ...state.sysctls, ...Object.fromEntries(localnet) };
  const lines = text.split("\n").filter((line) => /^(\*|-A )/.test(line));
  const vips = vipsByMark(lines);
  return [
    ...ruleFacts(lines, vips),
    ...ipvsFacts(printed?.ipvsadm.split("\n").map((line) => line.trim()) ?? ipvsadmText(state), vips),
    ...state.addresses.map((a) => `address ${a.address}/32 ${a.device}`),
    ...Object.entries(sysctls).map(([key, value]) => `sysctl ${key} ${value}`),
  ].sort();
}

const ipvsadmText = ({ servers }: LbState): string[] =>
  servers.flatMap((s) => [
    `-A -f ${s.mark} -s ${s.scheduler}${s.affinity > 0 ? ` -p ${s.affinity}` : ""}`,
    ...s.destinations.map(
      (d) => `-a -f ${s.mark} -r ${d.address}:0 ${s.forwarding === "direct" ? "-g" : "-m"} -w ${d.weight}`,
    ),
  ]);

/** "-A INPUT -d 10.0.1.4/32 … --set-xmark 0x100/…": mark 256 is 10.0.1.4's. */
function vipsByMark(lines: readonly string[]): Map<number, string> {
  const found = lines.flatMap((line) => {
    const [, vip, mark] = / -d ([\d.]+)\/32 .*--set-xmark (0x[0-9a-f]+)/.exec(line) ?? [];
    return vip === undefined ? [] : [[Number(mark), vip] as const];
  });
  return new Map(found);
}

const ipvsFacts = (lines: readonly string[], vips: ReadonlyMap<number, string>): string[] =>
  lines
    .filter((line) => line !== "")
    .map((line) => `ipvs ${line.replace(/-f (\d+)/, (_, mark) => `-f ${vips.get(Number(mark))}`)}`);

function ruleFacts(lines: readonly string[], vips: ReadonlyMap<number, string>): string[] {
  const facts: string[] = [];
  let chains = new Map<string, string[]>();
  const expand = (table: string, chain: string, where: string, conditions: string): void => {
    for (const rule of chains.get(chain) ?? []) {
      const [, match = "", target = ""] = /^(.*?) ?-j (.*)$/.exec(rule) ?? [];
      const all = [conditions, match].filter((part) => part !== "").join(" ");
      if (chains.has(target)) expand(table, target, where, all);
      else if (target !== "RETURN")
        facts.push(`${table} ${where} ${canonical(all)} -> ${targetText(target, vips)}`.replace("  ", " "));
    }
  };
  const flush = (table: string): void => {
    for (const hook of ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]) expand(table, hook, hook, "");
    chains = new Map();
  };
  let table = "";
  for (const line of [...lines, "*"]) {
    if (line.startsWith("*")) {
      flush(table);
      table = line.slice(1);
      continue;
    }
    const [, chain = "", rule = ""] = /^-A (\S+) ?(.*)$/.exec(line) ?? [];
    chains.set(chain, [...(chains.get(chain) ?? []), rule]);
    const [, jump] = /-j (\S+)$/.exec(rule) ?? [];
    if (jump !== undefined && /^(DOCKER|ELEVEN)/.test(jump) && !chains.has(jump)) chains.set(jump, []);
  }
  return facts;
}

/** Conditions in one order, without comments and with one name for connection states. */
function canonical(conditions: string): string {
  const text = conditions
    .replace(/-m comment --comment (?:"[^"]*"|\S+) ?/g, "")
    .replace(/-m state --state/g, "-m conntrack --ctstate")
    .replace(/-m (tcp|udp|sctp) /g, "");
  return (text.match(/(?:! )?-{1,2}\S+(?: (?!-|! )\S+)*/g) ?? []).sort().join(" ");
}

const targetText = (target: string, vips: ReadonlyMap<number, string>): string =>
  target.replace(/--set-xmark (0x[0-9a-f]+)\/0xffffffff/, (_, mark) => `for ${vips.get(Number(mark))}`);
