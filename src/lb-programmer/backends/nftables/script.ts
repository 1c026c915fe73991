/**
 * The way from one set of parts to another, as text for `nft -f -`. Deletions come first, from what refers to what is referred
 * to; then additions, the other way round. One text is one transaction: nobody ever sees a half of it.
 */
import { fingerprint } from "./fingerprint.ts";
import type { Element, Parts } from "./parts.ts";
import { isSlotMap, type SlotMap, slotMapText, TABLE } from "./skeleton.ts";

/** Text of the transaction, empty if there is nothing to do. */
export function script(steps: readonly { readonly before: Parts; readonly after: Parts }[]): string {
  const out = new Script();
  for (const { before, after } of steps) out.step(before, after);
  return out.text();
}

class Script {
  readonly #gone = new Map<string, string[]>();
  readonly #new = new Map<string, string[]>();
  readonly #flush: string[] = [];
  readonly #delete: string[] = [];
  readonly #declare: string[] = [];
  readonly #maps = new Set<SlotMap>();
  readonly #rules: string[] = [];

  step(before: Parts, after: Parts): void {
    this.#elements(before.elements, after.elements);
    // A set that changes is deleted first, and so must be the rules that use it.
    const stays = [...before.sets].every(([set, text]) => text === (after.sets.get(set) ?? text));
    const kept = (a: readonly string[] | undefined, b: readonly string[] | undefined) =>
      stays && a !== undefined && b !== undefined && a.length === b.length && a.every((rule, i) => rule === b[i]);
    for (const [chain, rules] of before.chains) {
      const then = after.chains.get(chain);
      if (kept(rules, then)) continue;
      this.#flush.push(`flush chain ${TABLE} ${chain}`);
      if (then === undefined) this.#delete.push(`delete chain ${TABLE} ${chain}`);
    }
    for (const [set, text] of before.sets)
      if (after.sets.get(set) !== text) this.#delete.push(`delete set ${TABLE} ${set}`);
    for (const [set, text] of after.sets)
      if (before.sets.get(set) !== text) this.#declare.push(`add set ${TABLE} ${set} { ${text} }`);
    for (const [chain, rules] of after.chains) {
      const first = before.chains.get(chain);
      if (kept(first, rules)) continue;
      if (first === undefined) this.#declare.push(`add chain ${TABLE} ${chain}`);
      for (const rule of rules) this.#rules.push(`add rule ${TABLE} ${chain} ${rule} comment "${fingerprint(rule)}"`);
    }
  }

  text(): string {
    const lines = [
      ...grouped("delete", this.#gone),
      ...this.#flush,
      ...this.#delete,
      ...[...this.#maps].map(slotMapText),
      ...this.#declare,
      ...this.#rules,
      ...grouped("add", this.#new),
    ];
    return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
  }

  /** An element whose value or comment changes is deleted and added: nft has no way to change one. */
  #elements(before: readonly Element[], after: readonly Element[]): void {
    const old = new Map(before.map((element) => [idOf(element), element]));
    for (const element of after) {
      const id = idOf(element);
      const was = old.get(id);
      old.delete(id);
      if (was !== undefined && elementText(was) === elementText(element)) continue;
      if (was !== undefined) put(this.#gone, was.in, was.key);
      put(this.#new, element.in, elementText(element));
      if (isSlotMap(element.in)) this.#maps.add(element.in);
    }
    for (const element of old.values()) put(this.#gone, element.in, element.key);
  }
}

export const idOf = (element: Element): string => `${element.in} ${element.key}`;

/** `10.0.1.5 comment "rr 0 m v web" : goto s-256`. */
export const elementText = ({ key, value, comment }: Element): string =>
  `${key}${comment === undefined ? "" : ` comment "${comment}"`}${value === undefined ? "" : ` : ${value}`}`;

function put(into: Map<string, string[]>, name: string, text: string): void {
  const list = into.get(name);
  if (list === undefined) into.set(name, [text]);
  else list.push(text);
}

const grouped = (verb: string, elements: ReadonlyMap<string, readonly string[]>): string[] =>
  [...elements].map(([name, texts]) => `${verb} element ${TABLE} ${name} { ${texts.join(", ")} }`);
