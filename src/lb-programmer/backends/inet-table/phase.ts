/** One transaction, put in order: what refers to something is deleted before that, and added after it. */
import type { Change, Element } from "../../../os/nftables/types.ts";
import type { Placed } from "./parts.ts";
import { isName, type Name, setNamed } from "./sets.ts";
import type { Skeleton } from "./skeleton.ts";

export class Phase {
  readonly flush: Change[] = [];
  readonly delete: Change[] = [];
  /** Before the maps that lead to them: the kernel would not mind, but nft, told the same, puts elements of ranges right behind their map. */
  readonly counters: Change[] = [];
  readonly declare: Change[] = [];
  readonly rules: Change[] = [];
  readonly #gone: Placed[] = [];
  readonly #new: Placed[] = [];

  get isEmpty(): boolean {
    const { flush, delete: gone, counters, declare, rules } = this;
    const orders = flush.length + gone.length + counters.length + declare.length + rules.length;
    return orders + this.#gone.length + this.#new.length === 0;
  }

  add(element: Placed): void {
    this.#new.push(element);
  }

  remove(element: Placed): void {
    this.#gone.push(element);
  }

  /** `there`: names of maps and sets that the table has by then. */
  changes(skeleton: Skeleton, there: ReadonlySet<string>): readonly Change[] {
    const additions = added(this.#new);
    const made = additions.flatMap(({ set: { name } }) => (isName(name) && !there.has(name) ? name : []));
    return [
      ...grouped("elements.delete", this.#gone),
      ...this.flush,
      ...this.delete,
      ...this.counters,
      ...made.map((name): Change => ({ kind: "set.add", set: setNamed(name) })),
      ...this.declare,
      ...this.rules,
      ...skeleton.joining(there, made),
      ...additions,
    ];
  }
}

/** Elements of maps that are there. */
export const added = (elements: readonly Placed[]) => grouped("elements.add", elements);

type OfElements = Extract<Change, { kind: "elements.add" | "elements.delete" }>;

/** By map, in the order in which maps are met. */
function grouped(kind: OfElements["kind"], elements: readonly Placed[]): readonly OfElements[] {
  if (elements.length === 0) return [];
  const lists = new Map<Name, Element[]>();
  const changes: OfElements[] = [];
  for (const element of elements) {
    const list = lists.get(element.in);
    if (list !== undefined) {
      list.push(element);
      continue;
    }
    const first: Element[] = [element];
    lists.set(element.in, first);
    changes.push({ kind, set: setNamed(element.in), elements: first });
  }
  return changes;
}
