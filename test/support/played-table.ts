/**
 * Our table in memory, and a packet in it as the kernel has it: the rules that it keeps from where it came in, and the elements that are
 * there when it looks for one.
 */
import { isDeepStrictEqual } from "node:util";
import type { Rule } from "../../src/lb-programmer/backends/inet-table/words.ts";
import type { Ruleset } from "../../src/os/nftables/ruleset.ts";
import type { Key } from "../../src/os/nftables/statement.ts";
import type { Chain, Change, Element, NamedSet } from "../../src/os/nftables/types.ts";
import { readBack } from "./nftables-table.ts";

export class PlayedTable {
  readonly #chains = new Map<string, { readonly chain: Chain; rules: (Change & { kind: "rule.add" })[] }>();
  readonly #sets = new Map<string, { readonly set: NamedSet; readonly elements: Map<string, Element> }>();
  readonly #counters = new Set<string>();

  /** Throws where the kernel would refuse. */
  play(changes: readonly Change[]): void {
    for (const change of changes) this.#play(change);
  }

  /** What is read of it. */
  read(): Ruleset {
    return readBack([
      { kind: "table.add" },
      ...[...this.#counters].map((counter): Change => ({ kind: "counter.add", counter })),
      ...[...this.#sets.values()].map(({ set }): Change => ({ kind: "set.add", set })),
      ...[...this.#chains.values()].map(({ chain }): Change => ({ kind: "chain.add", chain })),
      ...[...this.#chains.values()].flatMap(({ rules }) => rules),
      ...[...this.#sets.values()].flatMap(({ set, elements }): Change[] =>
        elements.size > 0 ? [{ kind: "elements.add", set, elements: [...elements.values()] }] : [],
      ),
    ])!;
  }

  copy(): PlayedTable {
    const copy = new PlayedTable();
    for (const [name, { chain, rules }] of this.#chains) copy.#chains.set(name, { chain, rules: [...rules] });
    for (const [name, { set, elements }] of this.#sets) copy.#sets.set(name, { set, elements: new Map(elements) });
    for (const counter of this.#counters) copy.#counters.add(counter);
    return copy;
  }

  rules(chain: string): readonly Rule[] {
    return this.#chains.get(chain)?.rules.map(({ rule }) => rule.statements) ?? [];
  }

  element(set: string, key: string): string | undefined {
    const elements = this.#sets.get(set)?.elements;
    return (elements?.get(key) ?? [...(elements?.values() ?? [])].find((element) => covers(element.key, key)))?.value;
  }

  isOfRanges(set: string): boolean {
    return this.#sets.get(set)?.set.interval === true;
  }

  #play(change: Change): void {
    const busy = (what: string, is: boolean) => {
      if (is) throw new Error(`EBUSY: ${what}`);
    };
    switch (change.kind) {
      case "counter.add":
        this.#counters.add(change.counter);
        return;
      case "counter.delete":
        busy(change.counter, this.#says(`"${change.counter}"`, { counters: true }));
        there(this.#counters.delete(change.counter), change.counter);
        return;
      case "set.add": {
        const old = this.#sets.get(change.set.name);
        if (old === undefined) this.#sets.set(change.set.name, { set: change.set, elements: new Map() });
        else if (!isDeepStrictEqual(old.set, change.set)) throw new Error(`EEXIST: ${change.set.name}`);
        return;
      }
      case "set.delete":
        busy(change.set, this.#says(`"${change.set}"`));
        there(this.#sets.delete(change.set), change.set);
        return;
      case "chain.add":
        this.#chains.set(change.chain.name, { chain: change.chain, rules: [] });
        return;
      case "chain.flush":
        this.#chains.get(change.chain)!.rules = [];
        return;
      case "chain.delete":
        busy(change.chain, this.#says(`"goto ${change.chain}"`, { elements: true }));
        there(this.#chains.delete(change.chain), change.chain);
        return;
      case "rule.add":
        this.#chains.get(change.rule.chain)!.rules.push(change);
        return;
      case "elements.add":
        for (const element of change.elements) this.#add(change.set.name, element);
        return;
      case "elements.delete":
        for (const { key } of change.elements)
          there(this.#sets.get(change.set.name)!.elements.delete(key), `${change.set.name} ${key}`);
        return;
      default:
        throw new Error(`not played: ${change.kind}`);
    }
  }

  #add(name: string, element: Element): void {
    const { set, elements } = this.#sets.get(name)!;
    const others = set.interval ? [...elements.keys()].filter((key) => overlap(key, element.key)) : [element.key];
    const old = others.map((key) => elements.get(key)).find((there) => there !== undefined);
    if (old !== undefined && !isDeepStrictEqual(old, element)) throw new Error(`EEXIST: ${name} ${element.key}`);
    elements.set(element.key, element);
  }

  /** Whether a rule, or an element, refers to it. */
  #says(what: string, { elements = false, counters = false } = {}): boolean {
    const rules = [...this.#chains.values()].flatMap((chain) => chain.rules.map(({ rule }) => rule.statements));
    const all = [...this.#sets.values()].flatMap((set) => [...set.elements.values()].map(({ value }) => value));
    return JSON.stringify([rules, elements ? all : [], counters ? all : []]).includes(what);
  }
}

/** Tasks that a packet to `vip` may be led to; "missed" is among them if it is led nowhere. `rules` it has, `found` it finds. */
export function tasksOf(
  vip: string,
  port: string,
  { rules, found }: { rules: PlayedTable; found: (set: string) => PlayedTable },
): readonly string[] {
  const value = (set: string, key: string) => found(set).element(set, key);
  const picked = (key: readonly Key[], map: string): readonly (string | undefined)[] => {
    const by = key[0]!;
    if (typeof by === "object" && "mod" in by)
      return Array.from({ length: by.mod }, (_, i) => value(map, `${by.offset + i}`));
    return [value(map, key.length > 1 ? `${vip} . ${port}` : vip)];
  };
  function through(chain: string): readonly string[] {
    const tasks: string[] = [];
    for (const statements of rules.rules(chain)) {
      const last = statements.at(-1)!;
      if (last.kind === "nat" && typeof last.to === "string") return [...tasks, last.to];
      if (last.kind === "nat" && typeof last.to === "object" && "map" in last.to)
        return [...tasks, ...picked(last.to.key, last.to.map).map((to) => to ?? "missed")];
      if (last.kind === "verdict" && last.verdict.startsWith("goto "))
        tasks.push(...through(last.verdict.slice("goto ".length))); // who is known goes there, others go on
      if (last.kind !== "vmap") continue;
      const led = picked(last.key, last.map);
      for (const to of led) if (to !== undefined) tasks.push(...through(to.slice("goto ".length)));
      if (led.every((to) => to !== undefined)) return tasks;
    }
    return [...tasks, "missed"];
  }
  return [...new Set(through("leaving"))].sort();
}

function there(was: boolean, what: string): void {
  if (!was) throw new Error(`ENOENT: ${what}`);
}

/** Of "10.0.1.4 . tcp . 80-90" and the like: all words but the last are equal, the last are numbers. */
function overlap(a: string, b: string): boolean {
  const [[first, from, to], [second, since, until]] = [ends(a), ends(b)];
  return first === second && from <= until && since <= to;
}
const covers = overlap;

function ends(key: string): readonly [string, number, number] {
  const at = key.lastIndexOf(" ") + 1;
  const [from, to = from] = key.slice(at).split("-");
  return [key.slice(0, at), Number(from), Number(to)];
}
