/**
 * Whether a table holds what a state is written as, and nothing else but what an interrupted step has left. The state is written again and
 * compared object by object: rules by their expressions, so a rule that somebody changed, moved or added is seen whatever it looks like.
 */
import { isDeepStrictEqual } from "node:util";
import { compile } from "../../../os/nftables/compile.ts";
import type { ReadRule, Ruleset } from "../../../os/nftables/ruleset.ts";
import type { Chain, NamedSet } from "../../../os/nftables/types.ts";
import type { LbState } from "../../state.ts";
import { idOf, isSame } from "./changes.ts";
import type { Dialect, Found, Installed } from "./dialect.ts";
import { otherElements, type Parts, type Placed } from "./parts.ts";
import { isName, setNamed } from "./sets.ts";
import type { Skeleton } from "./skeleton.ts";
import type { Rule } from "./words.ts";

/** The servers as they are there, if it does. `elements`: those of the table. */
export function complete(
  dialect: Dialect,
  state: LbState,
  table: Ruleset,
  elements: readonly Placed[],
): readonly Installed[] | undefined {
  if (table.flags !== 0 || table.foreign.length > 0) return undefined;
  const there = new Map(elements.map((element) => [idOf(element), element]));
  const servers = state.servers.flatMap((server) => dialect.asFound(server, there) ?? []);
  const parts = servers.map((server) => server.parts);
  const wanted = [...parts.flatMap((part) => part.elements), ...otherElements(state)];
  const isComplete =
    servers.length === state.servers.length &&
    haveChains(dialect.skeleton, parts, table) &&
    haveSets(parts, table.sets) &&
    haveCounters(parts, table.counters) &&
    there.size === elements.length &&
    haveElements(wanted, there);
  if (!isComplete) return undefined;
  const left = leftIn(dialect, servers, wanted, table, elements);
  if (left.has(NOBODY)) return undefined;
  return servers.map(({ installed }) => {
    const its = left.get(markOf(installed));
    return its === undefined ? installed : { ...installed, left: its };
  });
}

const markOf = ({ server }: Installed): string => `${server.mark}`;

/** Parts that grow. */
interface Left {
  readonly elements: Placed[];
  readonly chains: Map<string, readonly Rule[]>;
  readonly sets: Map<string, NamedSet>;
}

const NOBODY = "";

/**
 * What is there beside all that is wanted, by the mark of the server that has left it: between two transactions of a step (changes.ts) that
 * was interrupted. What a server with another mark would have left is nobody's, like that of strangers.
 */
function leftIn(
  { leaver, skeleton }: Dialect,
  servers: readonly Found[],
  wanted: readonly Placed[],
  { chains, sets }: Ruleset,
  elements: readonly Placed[],
): ReadonlyMap<string, Parts> {
  const left = new Map<string, Left>();
  const marks = new Set(servers.map(({ installed }) => markOf(installed)));
  const of = (leaver: string | undefined): Left => {
    const mark = leaver !== undefined && marks.has(leaver) ? leaver : NOBODY;
    const its = left.get(mark) ?? { elements: [], chains: new Map(), sets: new Map() };
    left.set(mark, its);
    return its;
  };
  const bases = skeleton.basesWith(new Set(sets.map(({ name }) => name)));
  const own = new Set(servers.flatMap(({ parts }) => [...parts.chains.keys()]));
  const clients = new Set(servers.flatMap(({ parts }) => [...parts.sets.keys()]));
  for (const { name, base } of chains)
    if (!own.has(name) && !bases.has(name)) of(base ? undefined : leaver.chain(name)).chains.set(name, []);
  for (const set of sets)
    if (!isName(set.name) && !clients.has(set.name)) of(leaver.set(set.name)).sets.set(set.name, set);
  if (elements.length === wanted.length) return left;
  const ids = new Set(wanted.map(idOf));
  for (const element of elements)
    if (!ids.has(idOf(element))) of(leaver.element(element)).elements.push({ in: element.in, key: element.key });
  return left;
}

function haveChains(skeleton: Skeleton, parts: readonly Parts[], { chains, rules, sets }: Ruleset): boolean {
  const there = new Map(chains.map((chain) => [chain.name, chain]));
  const has = (chain: Chain, wanted: readonly Rule[], comment?: string): boolean =>
    isDeepStrictEqual(there.get(chain.name), chain) && haveRules(wanted, comment, rules.get(chain.name) ?? []);
  const bases = [...skeleton.basesWith(new Set(sets.map((set) => set.name)))];
  return (
    bases.every(([name, { base, rules: wanted }]) => has({ name, base }, wanted)) &&
    parts.every((part) => [...part.chains].every(([name, wanted]) => has({ name }, wanted, part.comment)))
  );
}

const haveRules = (wanted: readonly Rule[], comment: string | undefined, there: readonly ReadRule[]): boolean =>
  wanted.length === there.length &&
  wanted.every((rule, i) => there[i]!.comment === comment && isDeepStrictEqual(compile(rule), there[i]!.expressions));

/** Which of ours there are, the elements say; one that has none is right, too. */
function haveSets(parts: readonly Parts[], sets: readonly NamedSet[]): boolean {
  const there = new Map(sets.map((set) => [set.name, set]));
  return (
    sets.every((set) => !isName(set.name) || isDeepStrictEqual(set, setNamed(set.name))) &&
    parts.every((part) => [...part.sets].every(([name, set]) => isDeepStrictEqual(there.get(name), set)))
  );
}

function haveCounters(parts: readonly Parts[], counters: readonly string[]): boolean {
  const there = new Set(counters);
  const wanted = parts.flatMap((part) => part.counters ?? []);
  return counters.length === wanted.length && wanted.every((counter) => there.has(counter));
}

const haveElements = (wanted: readonly Placed[], there: ReadonlyMap<string, Placed>): boolean =>
  wanted.length <= there.size &&
  wanted.every((element) => {
    const found = there.get(idOf(element));
    return found !== undefined && isSame(found, element);
  });
