/**
 * What `iptables-save` prints, as far as it is ours, and how to bring it to what it should be. A container may have written what is read
 * here: a rule that we would not have written like this is not ours, and nothing of the text is ever given back. Pure.
 */
import { FIRST_MARK, LAST_MARK } from "../../../marks.ts";
import type { LbState } from "../../../state.ts";
import { unlessForeign } from "../../common/typed.ts";
import { type Family, UNSERVED } from "../server.ts";
import { type Chain, inFamily } from "./chain.ts";
import { isKnown } from "./known.ts";
import { parseRule, type Rule, tokens } from "./rule.ts";
import { CHAINS } from "./rules.ts";

/** Chains of ours in a namespace, for one address family. */
export interface Saved {
  /** The rules of each ("nat ELEVEN-SNAT"), as far as they are ours. */
  readonly chains: ReadonlyMap<string, readonly Rule[]>;
  /** The jumps to each that are ours, in our own words: "POSTROUTING". As often as they are there. */
  readonly jumps: ReadonlyMap<string, readonly string[]>;
  /** Chains that somebody else's rules lead to: they can be emptied, but not removed. */
  readonly held: ReadonlySet<string>;
  /** In our chains are rules that we did not write: all of them have to be written anew. */
  readonly foreign: boolean;
}

const idOf = ({ table, name }: Chain): string => `${table} ${name}`;

export const EVERY_CHAIN: readonly Chain[] = Object.values(CHAINS);
const BY_ID = new Map(EVERY_CHAIN.map((chain) => [idOf(chain), chain]));

export function parseSaved(text: string, family: Family): Saved {
  const chains = new Map<string, Rule[]>();
  const jumps = new Map<string, string[]>();
  const held = new Set<string>();
  let [table, foreign] = ["", false];
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1);
    if (!line.includes("ELEVEN-")) continue;
    const [, kind, name = "", rest = ""] = /^(:|-A )(\S+) ?(.*)$/.exec(line) ?? [];
    const ours = BY_ID.get(`${table} ${name}`);
    if (kind === ":" && ours !== undefined) chains.set(idOf(ours), []);
    else if (kind === "-A " && ours !== undefined) {
      const rule = unlessForeign(() => parseRule(rest));
      if (rule !== undefined && isKnown(ours, rule, family)) chains.get(idOf(ours))?.push(rule);
      else foreign = true;
    } else if (kind === "-A ") {
      const to = BY_ID.get(`${table} ${targetOf(line)}`);
      const jump = to?.jumps(family).find((jump) => sameWords(`-A ${jump} -j ${to.name}`, line));
      if (to !== undefined && jump === undefined) held.add(idOf(to));
      if (to !== undefined && jump !== undefined) jumps.set(idOf(to), [...(jumps.get(idOf(to)) ?? []), jump]);
    }
  }
  return { chains, jumps, held, foreign };
}

/** The chain that a rule leads to. */
function targetOf(line: string): string | undefined {
  const all = tokens(line);
  const at = all.findIndex(({ text, quoted }) => !quoted && (text === "-j" || text === "-g"));
  return at < 0 ? undefined : all[at + 1]?.text;
}

/** In whatever order: versions differ in that. */
const sameWords = (a: string, b: string): boolean => sorted(a) === sorted(b);
const sorted = (line: string): string =>
  tokens(line)
    .map(({ text, quoted }) => (quoted ? `"${text}"` : text))
    .sort()
    .join(" ");

/** The marks that rules of ours set, in force or not. */
export function marksOf({ chains }: Saved): number[] {
  const mangle = [...chains].flatMap(([id, rules]) => (id.startsWith("mangle ") ? rules : []));
  const marks = mangle.map((rule) => Number.parseInt(rule.get("--set-xmark") ?? "", 16) % UNSERVED);
  return [...new Set(marks)].filter((mark) => mark >= FIRST_MARK && mark <= LAST_MARK);
}

/** The rules of a chain, in force or not. */
export const writtenIn = (saved: Saved, chain: Chain): readonly Rule[] => saved.chains.get(idOf(chain)) ?? [];

/** The rules of a chain that count: without its jumps, it does nothing. */
export function rulesOf(saved: Saved, chain: Chain, family: Family): readonly Rule[] {
  const found = saved.jumps.get(idOf(chain)) ?? [];
  return chain.jumps(family).every((jump) => found.includes(jump)) ? writtenIn(saved, chain) : [];
}

/**
 * Input of `iptables-restore --noflush` that makes `chains` what `desired` needs; "" if nothing is to be done. Each chain
 * is written anew, in one go with all others of its table: cheaper than finding out which rules of a thousand differ.
 */
export function restoreText(saved: Saved, desired: LbState, chains: Iterable<Chain>, family: Family): string {
  const tables = new Map<string, { head: string[]; rules: string[] }>();
  const here = inFamily(desired, family);
  for (const chain of new Set(saved.foreign ? EVERY_CHAIN : chains)) {
    const rules = chain.rules(here, family);
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
  const missing = chain.jumps(family).filter((jump) => !found.includes(jump));
  return [...missing.map((jump) => `-I ${jump} -j ${chain.name}`), ...rules.map((rule) => `-A ${chain.name} ${rule}`)];
}

function unmade(saved: Saved, chain: Chain): string[] {
  const jumps = (saved.jumps.get(idOf(chain)) ?? []).map((jump) => `-D ${jump} -j ${chain.name}`);
  return saved.held.has(idOf(chain)) ? jumps : [...jumps, `-X ${chain.name}`];
}
