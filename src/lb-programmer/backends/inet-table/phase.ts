/** One transaction, put in order: what refers to something is deleted before that, and added after it. */
import type { Change, Element } from "../../../os/nftables/types.ts";
import type { Placed } from "./parts.ts";
import { type Name, setNamed } from "./sets.ts";
import type { Skeleton } from "./skeleton.ts";

export class Phase {
  readonly flush: Change[] = [];
  readonly delete: Change[] = [];
  /** Before the maps that lead to them: the kernel would not mind, but nft, told the same, puts elements of ranges right behind their map. */
  readonly counters: Change[] = [];
  readonly declare: Change[] = [];
  readonly rules: Change[] = [];
  readonly #gone = new Map<Name, Element[]>();
  readonly #new = new Map<Name, Element[]>();

  get isEmpty(): boolean {
    const { flush, delete: gone, counters, declare, rules } = this;
    const orders = flush.length + gone.length + counters.length + declare.length + rules.length;
    return orders + this.#gone.size + this.#new.size === 0;
  }

  add(element: Placed): void {
    put(this.#new, element);
  }

  remove(element: Placed): void {
    put(this.#gone, element);
  }

  /** `there`: names of maps and sets that the table has by then. */
  changes(skeleton: Skeleton, there: ReadonlySet<string>): readonly Change[] {
    const made = [...this.#new.keys()].filter((name) => !there.has(name));
    return [
      ...grouped("elements.delete", this.#gone),
      ...this.flush,
      ...this.delete,
      ...this.counters,
      ...made.map((name): Change => ({ kind: "set.add", set: setNamed(name) })),
      ...this.declare,
      ...this.rules,
      ...skeleton.joining(there, made),
      ...grouped("elements.add", this.#new),
    ];
  }
}

/** Elements of maps that are there. */
export function added(elements: readonly Placed[]): readonly Change[] {
  const lists = new Map<Name, Element[]>();
  for (const element of elements) put(lists, element);
  return grouped("elements.add", lists);
}

function put(into: Map<Name, Element[]>, element: Placed): void {
  const list = into.get(element.in);
  if (list === undefined) into.set(element.in, [element]);
  else list.push(element);
}

const grouped = (
  kind: "elements.add" | "elements.delete",
  elements: ReadonlyMap<Name, readonly Element[]>,
): readonly Change[] => [...elements].map(([name, list]) => ({ kind, set: setNamed(name), elements: list }));
