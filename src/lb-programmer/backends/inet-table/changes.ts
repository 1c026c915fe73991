/**
 * The way from one set of parts to another, as changes of the table. Deletions come first, from what refers to what is referred to; then
 * additions, the other way round. A set that is needed and not there is made, and with it the rules that look into it. One list is one
 * transaction: nobody ever sees a half of it.
 */
import { isDeepStrictEqual } from "node:util";
import type { Change, Element } from "../../../os/nftables/types.ts";
import { changed } from "../../changed.ts";
import type { Parts, Placed } from "./parts.ts";
import { isName, type Name, setNamed } from "./sets.ts";
import type { Skeleton } from "./skeleton.ts";

/** `there`: names of maps and sets that the table has. Empty if there is nothing to do. */
export function changesOf(
  skeleton: Skeleton,
  steps: readonly { readonly before: Parts; readonly after: Parts }[],
  there: ReadonlySet<string>,
): readonly Change[] {
  const out = new Changes(skeleton, there);
  for (const { before, after } of steps) out.step(before, after);
  return out.all();
}

/** Names of the maps and sets that these changes make, without those of clients. */
export const madeBy = (changes: readonly Change[]): readonly Name[] =>
  changes.flatMap((change) => (change.kind === "set.add" && isName(change.set.name) ? change.set.name : []));

class Changes {
  readonly #skeleton: Skeleton;
  readonly #there: ReadonlySet<string>;
  readonly #made = new Set<Name>();
  readonly #gone = new Map<Name, Element[]>();
  readonly #new = new Map<Name, Element[]>();
  readonly #flush: Change[] = [];
  readonly #delete: Change[] = [];
  /** Before the maps that lead to them: the kernel would not mind, but nft, told the same, puts elements of ranges right behind their map. */
  readonly #counters: Change[] = [];
  readonly #declare: Change[] = [];
  readonly #rules: Change[] = [];

  constructor(skeleton: Skeleton, there: ReadonlySet<string>) {
    this.#skeleton = skeleton;
    this.#there = there;
  }

  step(before: Parts, after: Parts): void {
    this.#elements(before.elements, after.elements);
    const kept = keeping(before, after);
    for (const chain of before.chains.keys()) {
      if (kept(chain)) continue;
      this.#flush.push({ kind: "chain.flush", chain });
      if (!after.chains.has(chain)) this.#delete.push({ kind: "chain.delete", chain });
    }
    const [counted, counting] = [before.counters ?? [], after.counters ?? []];
    for (const counter of counted)
      if (!counting.includes(counter)) this.#delete.push({ kind: "counter.delete", counter });
    for (const counter of counting)
      if (!counted.includes(counter)) this.#counters.push({ kind: "counter.add", counter });
    for (const [name, set] of before.sets)
      if (!isDeepStrictEqual(set, after.sets.get(name))) this.#delete.push({ kind: "set.delete", set: name });
    for (const [name, set] of after.sets)
      if (!isDeepStrictEqual(set, before.sets.get(name))) this.#declare.push({ kind: "set.add", set });
    for (const [chain, rules] of after.chains) {
      if (kept(chain)) continue;
      if (!before.chains.has(chain)) this.#declare.push({ kind: "chain.add", chain: { name: chain } });
      for (const statements of rules)
        this.#rules.push({ kind: "rule.add", rule: { chain, statements, comment: after.comment } });
    }
  }

  all(): readonly Change[] {
    return [
      ...grouped("elements.delete", this.#gone),
      ...this.#flush,
      ...this.#delete,
      ...this.#counters,
      ...[...this.#made].map((name): Change => ({ kind: "set.add", set: setNamed(name) })),
      ...this.#declare,
      ...this.#rules,
      ...this.#skeleton.joining(this.#there, [...this.#made]),
      ...grouped("elements.add", this.#new),
    ];
  }

  /** An element whose value or comment changes is deleted and added: the kernel has no way to change one. */
  #elements(before: readonly Placed[], after: readonly Placed[]): void {
    const { added, replaced, removed } = changed(before, after, idOf, isSame);
    for (const element of [...replaced, ...removed]) put(this.#gone, element);
    for (const element of added) {
      put(this.#new, element);
      if (!this.#there.has(element.in)) this.#made.add(element.in);
    }
  }
}

/** Which chains stay as they are: not those whose rules use a set that changes, since that one is deleted first. */
export function keeping(before: Parts, after: Parts): (chain: string) => boolean {
  const stays = [...before.sets].every(([name, set]) => isDeepStrictEqual(set, after.sets.get(name) ?? set));
  return (chain) =>
    stays && before.comment === after.comment && isDeepStrictEqual(before.chains.get(chain), after.chains.get(chain));
}

/** Where it is. */
export const idOf = (element: Placed): string => `${element.in} ${element.key}`;

/** At the same place, the same. */
export const isSame = (a: Element, b: Element): boolean => a.value === b.value && a.comment === b.comment;

function put(into: Map<Name, Element[]>, element: Placed): void {
  const list = into.get(element.in);
  if (list === undefined) into.set(element.in, [element]);
  else list.push(element);
}

const grouped = (
  kind: "elements.add" | "elements.delete",
  elements: ReadonlyMap<Name, readonly Element[]>,
): readonly Change[] => [...elements].map(([name, list]) => ({ kind, set: setNamed(name), elements: list }));
