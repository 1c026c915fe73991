/**
 * The way from one set of parts to another, as changes of the table. A list is a transaction: in it deletions come first, from what refers to
 * what is referred to; then additions, the other way round. A set that is needed and not there is made, and with it the rules that look into it.
 *
 * Who lists the table never sees a half of a transaction, but a packet may: it keeps the rules that it came upon, and whatever they look up is
 * found as it is by then, and a chain that is new is empty to it. Ranges (sets.ts) are even found a moment later than the rest. So:
 *
 *   first  what nobody is led to yet: chains, with all that they look into     only if old rules will be led to a new chain
 *   main   rules written anew; elements that are added, or have another value  all there is to do, mostly
 *   last   what nobody is led to any more: slots, chains, elements of maps     only if main leads those elsewhere who were led there
 *
 * A task more, or more weight: main. A task less, less weight, affinity or declared ports come or go: main, last. With affinity, a task more:
 * first, main; one in the place of another: all three; and so with another mark. A new service: main. One that goes: last. What is between two
 * of them balances as it should; too much is there, which the next read finds (complete.ts).
 */
import { same } from "../../../model/same.ts";
import type { Change, Element, NamedSet } from "../../../os/nftables/types.ts";
import { type Changed, changedEntries } from "../../changed.ts";
import type { Parts, Placed } from "./parts.ts";
import { Phase } from "./phase.ts";
import { isLeading, isName, isOfRanges, isSlotMap, type Name } from "./sets.ts";
import type { Skeleton } from "./skeleton.ts";

export interface Way {
  readonly before: Parts;
  readonly after: Parts;
}

/** `there`: names of maps and sets that the table has. Transactions, to be made one after the other; none if there is nothing to do. */
export function changesOf(
  skeleton: Skeleton,
  ways: readonly Way[],
  there: ReadonlySet<string>,
): readonly (readonly Change[])[] {
  const elements = elementsOf(ways);
  const names = namesOf(ways);
  const main = new Phase();
  const first = leadsToNew(elements, names) ? new Phase() : main;
  const last = elements.added.length > 0 || names.rewritten.size > 0 ? new Phase() : main;
  for (const element of elements.replaced) main.remove(element);
  for (const element of elements.removed) (elements.isLate(element) ? last : main).remove(element);
  for (const element of elements.added) (elements.isEarly(element) ? first : main).add(element);
  for (const { before, after } of ways) {
    leave(before, names, main, last);
    come(after, names, main, first);
  }
  let sets = there;
  const transactions: (readonly Change[])[] = [];
  for (const phase of new Set([first, main, last])) {
    if (phase.isEmpty) continue;
    const changes = phase.changes(skeleton, sets);
    const made = madeBy(changes);
    if (made.length > 0) sets = new Set([...sets, ...made]);
    transactions.push(changes);
  }
  return transactions;
}

/** Names of the maps and sets that these changes make, without those of clients. */
export const madeBy = (changes: readonly Change[]): readonly Name[] =>
  changes.flatMap((change) => (change.kind === "set.add" && isName(change.set.name) ? change.set.name : []));

/** Which chains stay as they are: not those whose rules use a set that changes, since that one is deleted first. */
export function keeping(before: Rules, after: Rules): (chain: string) => boolean {
  let stays = before.comment === after.comment;
  for (const [name, set] of before.sets) stays &&= same(set, after.sets.get(name) ?? set);
  return (chain) => stays && same(before.chains.get(chain), after.chains.get(chain));
}

type Rules = Omit<Parts, "elements">;

/** Where it is. */
export const idOf = (element: Placed): string => `${element.in} ${element.key}`;

/** At the same place, the same. */
export const isSame = (a: Element, b: Element): boolean => a.value === b.value && a.comment === b.comment;

/** Of all ways together: a port may go from one server to another. */
interface Elements extends Changed<Placed> {
  /** It is among those added, and takes the place of another. */
  isAgain(element: Placed): boolean;
  /** Of those added: nobody is led by it yet. */
  isEarly(element: Placed): boolean;
  /** Of those removed: who is still led by it must not miss it. */
  isLate(element: Placed): boolean;
}

function elementsOf(ways: readonly Way[]): Elements {
  const [olds, news]: [Placed[], Placed[]] = [[], []];
  for (const way of ways) addUnlike(way, olds, news);
  const { added, replaced, removed } = changedEntries(olds, news, idOf, isSame);
  const again = replaced.length === 0 ? NONE : new Set(replaced.map(idOf));
  const [come, go] = [rangesIn(added), rangesIn(replaced, removed)];
  const isAgain = (element: Placed): boolean => again !== NONE && again.has(idOf(element));
  return {
    ...{ added, replaced, removed, isAgain },
    isEarly: (element) => {
      if (isSlotMap(element.in)) return !isAgain(element);
      return isLeading(element.in) && isOfRanges(element.in) && !go.has(aroundOf(element));
    },
    isLate: (element) => {
      if (isSlotMap(element.in)) return true;
      return isLeading(element.in) && !come.has(aroundOf(element)) && added.some((other) => isOtherWay(element, other));
    },
  };
}

/** A service's elements come in one order: what both begin with stays, and is not compared by its place, which is a text. */
function addUnlike({ before, after }: Way, olds: Placed[], news: Placed[]): void {
  const most = Math.min(before.elements.length, after.elements.length);
  let from = 0;
  while (from < most && isAlike(before.elements[from]!, after.elements[from]!)) from++;
  for (let i = from; i < before.elements.length; i++) olds.push(before.elements[i]!);
  for (let i = from; i < after.elements.length; i++) news.push(after.elements[i]!);
}

const isAlike = (a: Placed, b: Placed): boolean => a.in === b.in && a.key === b.key && isSame(a, b);

/** By which the same server is reached: of a VIP with and without declared ports, of a port alone and within a range. */
const isOtherWay = (element: Placed, other: Placed): boolean =>
  other.value === element.value && other.in !== element.in && isLeading(other.in);

/** Ranges of one map that may overlap, which can't be there at the same time. */
const aroundOf = ({ in: name, key }: Placed): string => `${name} ${key.slice(0, Math.max(0, key.lastIndexOf(" ")))}`;
const rangesIn = (...lists: (readonly Placed[])[]): ReadonlySet<string> => {
  let ranges: Set<string> | undefined;
  for (const list of lists)
    for (const element of list)
      if (isOfRanges(element.in)) {
        ranges ??= new Set();
        ranges.add(aroundOf(element));
      }
  return ranges ?? NONE;
};
const NONE: ReadonlySet<string> = new Set();

interface Names {
  readonly before: Named;
  readonly after: Named;
  /** Chains that are there before and after, with other rules. */
  readonly rewritten: ReadonlySet<string>;
}

interface Named {
  readonly chains: Pick<ReadonlySet<string>, "has">;
  readonly sets: ReadonlyMap<string, NamedSet>;
  readonly counters: ReadonlySet<string>;
}

function namesOf(ways: readonly Way[]): Names {
  const [before, after] = [named(ways.map((way) => way.before)), named(ways.map((way) => way.after))];
  const rewritten = new Set<string>();
  for (const way of ways) {
    const kept = keeping(way.before, way.after);
    for (const chain of way.before.chains.keys()) if (after.chains.has(chain) && !kept(chain)) rewritten.add(chain);
  }
  return { before, after, rewritten };
}

function named(parts: readonly Parts[]): Named {
  const [only] = parts;
  if (only !== undefined && parts.length === 1)
    return { chains: only.chains, sets: only.sets, counters: new Set(only.counters) };
  const [chains, sets, counters] = [new Set<string>(), new Map<string, NamedSet>(), new Set<string>()];
  for (const part of parts) {
    for (const chain of part.chains.keys()) chains.add(chain);
    for (const [name, set] of part.sets) sets.set(name, set);
    for (const counter of part.counters ?? []) counters.add(counter);
  }
  return { chains, sets, counters };
}

/** Whether old rules will lead to what is new: an element has another value, which is a new chain, or means what ranges say otherwise. */
function leadsToNew({ added, replaced, isAgain, isEarly }: Elements, { before, after }: Names): boolean {
  if (replaced.length === 0) return false;
  const isNew = (chain: string): boolean => after.chains.has(chain) && !before.chains.has(chain);
  const others = replaced.some(({ in: name }) => isLeading(name));
  return added.some((element) => {
    if (isAgain(element)) return isNew(element.value?.replace("goto ", "") ?? "");
    return others && isLeading(element.in) && isEarly(element);
  });
}

function leave({ chains, sets, counters }: Parts, { after, rewritten }: Names, main: Phase, last: Phase): void {
  for (const chain of chains.keys()) {
    if (rewritten.has(chain)) main.flush.push({ kind: "chain.flush", chain });
    if (after.chains.has(chain)) continue;
    last.flush.push({ kind: "chain.flush", chain });
    last.delete.push({ kind: "chain.delete", chain });
  }
  for (const counter of counters ?? [])
    if (!after.counters.has(counter)) last.delete.push({ kind: "counter.delete", counter });
  for (const [name, set] of sets)
    if (!same(set, after.sets.get(name)))
      (after.sets.has(name) ? main : last).delete.push({ kind: "set.delete", set: name });
}

function come({ chains, sets, counters, comment }: Parts, names: Names, main: Phase, first: Phase): void {
  const { before, rewritten } = names;
  for (const counter of counters ?? [])
    if (!before.counters.has(counter)) first.counters.push({ kind: "counter.add", counter });
  for (const [name, set] of sets)
    if (!same(set, before.sets.get(name)))
      (before.sets.has(name) ? main : first).declare.push({ kind: "set.add", set });
  for (const [chain, rules] of chains) {
    const isNew = !before.chains.has(chain);
    if (!isNew && !rewritten.has(chain)) continue;
    const phase = isNew ? first : main;
    if (isNew) phase.declare.push({ kind: "chain.add", chain: { name: chain } });
    for (const statements of rules) phase.rules.push({ kind: "rule.add", rule: { chain, statements, comment } });
  }
}
