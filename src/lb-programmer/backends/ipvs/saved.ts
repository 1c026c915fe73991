/** What `iptables-save` prints, as far as it is ours, and how to bring it to what it should be. Pure. */
import { canonicalAddress } from "../../../model/address.ts";
import type { LbState } from "../../types.ts";
import type { Chain, Family } from "./chain.ts";
import { CHAINS } from "./rules.ts";

/** Chains of ours in a namespace, for one address family. */
export interface Saved {
  /** The rules of each ("nat ELEVEN-SNAT"), without "-A <name> ". */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** The jumps to each, as they are in the text: "-A POSTROUTING -j ELEVEN-SNAT". */
  readonly jumps: ReadonlyMap<string, readonly string[]>;
}

const idOf = ({ table, name }: Chain): string => `${table} ${name}`;

export function parseSaved(text: string): Saved {
  const chains = new Map<string, string[]>();
  const jumps = new Map<string, string[]>();
  let table = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1);
    else if (line.startsWith(":ELEVEN-")) chains.set(`${table} ${line.slice(1, line.indexOf(" "))}`, []);
    else if (line.startsWith("-A ELEVEN-")) {
      const end = line.indexOf(" ", 3);
      chains.get(`${table} ${line.slice(3, end)}`)?.push(line.slice(end + 1));
    } else if (line.startsWith("-A ")) {
      const [, name] = / -j (ELEVEN-[A-Z]+)$/.exec(line) ?? [];
      if (name !== undefined) jumps.set(`${table} ${name}`, [...(jumps.get(`${table} ${name}`) ?? []), line]);
    }
  }
  return { chains, jumps };
}

/** The marks that rules of ours set, in force or not. */
export function marksOf({ chains }: Saved): number[] {
  const mangle = [...chains].flatMap(([id, rules]) => (id.startsWith("mangle ") ? rules : []));
  const marks = mangle.flatMap((rule) => / --set-xmark (0x[0-9a-f]+)/.exec(rule)?.[1] ?? []);
  return [...new Set(marks)].map(Number);
}

/** The rules of a chain that count: without its jumps, it does nothing. */
export function rulesOf(saved: Saved, chain: Chain, family: Family): Rule[] {
  const found = saved.jumps.get(idOf(chain)) ?? [];
  const entered = chain
    .jumps(family)
    .every((jump) => found.some((line) => line.startsWith(`-A ${jump.split(" ")[0]} `)));
  return entered ? (saved.chains.get(idOf(chain)) ?? []).map(parseRule) : [];
}

/** A rule's options and their values ("" for those that have none): "-d", "--dport", "--comment", "-j", … */
export type Rule = ReadonlyMap<string, string>;

export function parseRule(text: string): Rule {
  const words = [...text.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, plain]) =>
    quoted === undefined
      ? { text: plain ?? "", option: (plain ?? "").startsWith("-") }
      : { text: quoted, option: false },
  );
  const rule = new Map<string, string>();
  words.forEach(({ text: word, option }, i) => {
    const next = words[i + 1];
    if (option && !(word === "-m" && rule.has("-m")))
      rule.set(word, next === undefined || next.option ? "" : next.text);
  });
  return rule;
}

/** The address of "10.0.1.4/32"; a range keeps its length. */
export function addressOf(range: string | undefined): string {
  const [address = "", length] = (range ?? "").split("/");
  const canonical = canonicalAddress(address) ?? address;
  return length === undefined || length === (canonical.includes(":") ? "128" : "32")
    ? canonical
    : `${canonical}/${length}`;
}

/**
 * Input of `iptables-restore --noflush` that makes `chains` what `desired` needs; "" if nothing is to be done. Each chain
 * is written anew, in one go with all others of its table: cheaper than finding out which rules of a thousand differ.
 */
export function restoreText(saved: Saved, desired: LbState, chains: Iterable<Chain>, family: Family): string {
  const tables = new Map<string, { head: string[]; rules: string[] }>();
  for (const chain of new Set(chains)) {
    const rules = chain.rules(desired, family);
    const there = saved.chains.get(idOf(chain));
    if (rules.length === 0 && there === undefined) continue;
    const table = tables.get(chain.table) ?? { head: [], rules: [] };
    tables.set(chain.table, table);
    table.head.push(`:${chain.name} - [0:0]`); // makes it, or empties it
    table.rules.push(...(rules.length === 0 ? unmade(saved, chain) : made(saved, chain, rules, family)));
  }
  return [...tables].map(([table, t]) => `${[`*${table}`, ...t.head, ...t.rules, "COMMIT"].join("\n")}\n`).join("");
}

/** Jumps go first in their chain: rules of others that accept or drop everything may be there. */
function made(saved: Saved, chain: Chain, rules: readonly string[], family: Family): string[] {
  const found = saved.jumps.get(idOf(chain)) ?? [];
  const missing = chain.jumps(family).filter((j) => !found.some((line) => line.startsWith(`-A ${j.split(" ")[0]} `)));
  return [...missing.map((j) => `-I ${j} -j ${chain.name}`), ...rules.map((rule) => `-A ${chain.name} ${rule}`)];
}

const unmade = (saved: Saved, chain: Chain): string[] => [
  ...(saved.jumps.get(idOf(chain)) ?? []).map((line) => line.replace("-A", "-D")),
  `-X ${chain.name}`,
];

export const EVERY_CHAIN: readonly Chain[] = Object.values(CHAINS);
