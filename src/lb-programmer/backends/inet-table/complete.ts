/**
 * Whether a table holds exactly what a state is written as, and nothing else. The state is written again and compared object by object: rules
 * by their expressions, so a rule that somebody changed, moved or added is seen whatever it looks like.
 */
import { isDeepStrictEqual } from "node:util";
import { compile } from "../../../os/nftables/compile.ts";
import type { ReadRule, Ruleset } from "../../../os/nftables/ruleset.ts";
import type { Chain, NamedSet } from "../../../os/nftables/types.ts";
import type { LbState } from "../../state.ts";
import { idOf, isSame } from "./changes.ts";
import type { Dialect, Installed } from "./dialect.ts";
import { otherElements, type Parts, type Placed } from "./parts.ts";
import { isName, setNamed } from "./sets.ts";
import type { Skeleton } from "./skeleton.ts";
import type { Rule } from "./words.ts";

/** The servers as they are there, if it does. `elements`: those of the table. */
export function complete(
  { skeleton, asFound }: Dialect,
  state: LbState,
  table: Ruleset,
  elements: readonly Placed[],
): readonly Installed[] | undefined {
  if (table.flags !== 0 || table.foreign.length > 0) return undefined;
  const there = new Map(elements.map((element) => [idOf(element), element]));
  const servers = state.servers.flatMap((server) => asFound(server, there) ?? []);
  const parts = servers.map((server) => server.parts);
  const wanted = [...parts.flatMap((part) => part.elements), ...otherElements(state)];
  const isComplete =
    servers.length === state.servers.length &&
    haveChains(skeleton, parts, table) &&
    haveSets(parts, table.sets) &&
    haveCounters(parts, table.counters) &&
    there.size === elements.length &&
    haveElements(wanted, there);
  return isComplete ? servers.map(({ installed }) => installed) : undefined;
}

function haveChains(skeleton: Skeleton, parts: readonly Parts[], { chains, rules, sets }: Ruleset): boolean {
  const there = new Map(chains.map((chain) => [chain.name, chain]));
  const has = (chain: Chain, wanted: readonly Rule[], comment?: string): boolean =>
    isDeepStrictEqual(there.get(chain.name), chain) && haveRules(wanted, comment, rules.get(chain.name) ?? []);
  let count = 0;
  for (const [name, { base, rules: wanted }] of skeleton.basesWith(new Set(sets.map((set) => set.name)))) {
    if (!has({ name, base }, wanted)) return false;
    count++;
  }
  for (const part of parts)
    for (const [name, wanted] of part.chains) {
      if (!has({ name }, wanted, part.comment)) return false;
      count++;
    }
  return count === there.size;
}

const haveRules = (wanted: readonly Rule[], comment: string | undefined, there: readonly ReadRule[]): boolean =>
  wanted.length === there.length &&
  wanted.every((rule, i) => there[i]!.comment === comment && isDeepStrictEqual(compile(rule), there[i]!.expressions));

/** Which of ours there are, the elements say; one that has none is right, too. */
function haveSets(parts: readonly Parts[], sets: readonly NamedSet[]): boolean {
  const clients = new Map(parts.flatMap((part) => [...part.sets]));
  const isOurs = (set: NamedSet): boolean =>
    isDeepStrictEqual(set, clients.get(set.name) ?? (isName(set.name) ? setNamed(set.name) : undefined));
  return sets.every(isOurs) && sets.filter(({ name }) => clients.has(name)).length === clients.size;
}

function haveCounters(parts: readonly Parts[], counters: readonly string[]): boolean {
  const there = new Set(counters);
  const wanted = parts.flatMap((part) => part.counters ?? []);
  return counters.length === wanted.length && wanted.every((counter) => there.has(counter));
}

const haveElements = (wanted: readonly Placed[], there: ReadonlyMap<string, Placed>): boolean =>
  wanted.length === there.size &&
  wanted.every((element) => {
    const found = there.get(idOf(element));
    return found !== undefined && isSame(found, element);
  });
