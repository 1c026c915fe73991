/**
 * Ranges of addresses that are taken, and by whom. They are kept in order and no two of them overlap, so whoever might overlap a range
 * stands next to it: asking takes no longer for four thousand of them than for four.
 */
import { type Cidr, cidrsOverlap } from "../model/address.ts";

interface Taken {
  readonly cidr: Cidr;
  readonly owner: string;
}

export class Ranges {
  readonly #taken: Taken[] = [];
  /** No /24 of 10.0.0.0/8 below this one is free. */
  #lowest = 0;

  /** Whether somebody else has an address of the range. */
  overlap(cidr: Cidr, owner: string): boolean {
    for (let i = this.#first(cidr); this.#overlaps(i, cidr); i++) if (this.#taken[i]!.owner !== owner) return true;
    return false;
  }

  /** What is taken must not overlap anything. */
  add(cidr: Cidr, owner: string): void {
    this.#taken.splice(this.#first(cidr), 0, { cidr, owner });
  }

  /** The same for what may overlap: ranges lie in one another or apart, and the widest stays. */
  cover(cidr: Cidr): void {
    const first = this.#first(cidr);
    if (this.#overlaps(first, cidr) && this.#taken[first]!.cidr.bits <= cidr.bits) return;
    let end = first;
    while (this.#overlaps(end, cidr)) end++;
    this.#taken.splice(first, end - first, { cidr, owner: "" });
  }

  /** Takes back `add`. */
  remove(cidr: Cidr): void {
    this.#taken.splice(this.#first(cidr), 1);
    if (cidrsOverlap(cidr, POOL)) this.#lowest = Math.min(this.#lowest, firstSlot(cidr));
  }

  /** Docker's default pool for overlays: 10.0.0.0/8 in /24s, the first that overlaps nothing here and there. */
  free(elsewhere: Ranges): Cidr | undefined {
    for (let slot = this.#lowest; slot < SLOTS; ) {
      const cidr = slotAt(slot);
      const mine = this.#at(cidr);
      const other = mine ?? elsewhere.#at(cidr);
      if (other === undefined) return cidr;
      const next = Math.max(slot + 1, firstSlot(other) + 2 ** (24 - Math.max(8, other.bits)));
      if (mine !== undefined && slot === this.#lowest) this.#lowest = next;
      slot = next;
    }
    return undefined;
  }

  #at(cidr: Cidr): Cidr | undefined {
    const i = this.#first(cidr);
    return this.#overlaps(i, cidr) ? this.#taken[i]!.cidr : undefined;
  }

  #overlaps(i: number, cidr: Cidr): boolean {
    const taken = this.#taken[i];
    return taken !== undefined && cidrsOverlap(taken.cidr, cidr);
  }

  /** Where the first stands that overlaps the range; if none does, where it would stand itself. */
  #first(cidr: Cidr): number {
    let [from, end] = [0, this.#taken.length];
    while (from < end) {
      const middle = (from + end) >> 1;
      if (isBefore(this.#taken[middle]!.cidr, cidr)) from = middle + 1;
      else end = middle;
    }
    return this.#overlaps(from - 1, cidr) ? from - 1 : from; // one that begins before it may reach into it
  }
}

const isBefore = (a: Cidr, b: Cidr): boolean => (a.family === b.family ? a.base < b.base : a.family < b.family);

const POOL: Cidr = { base: "\x0a\0\0\0", bits: 8, family: 4 };
const SLOTS = 1 << 16;

const slotAt = (slot: number): Cidr => ({
  base: String.fromCharCode(10, slot >> 8, slot & 255, 0),
  bits: 24,
  family: 4,
});

/** The /24 that a range of the pool, or one around it, begins in: one around it has zeros there. */
const firstSlot = ({ base }: Cidr): number => (base.charCodeAt(1) << 8) | base.charCodeAt(2);
