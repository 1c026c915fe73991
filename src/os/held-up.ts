/** Namespaces in which the last work took too long: while a node ends, the next one in there gets less time. */
import { existsSync } from "node:fs";

export class HeldUp {
  readonly #exists: (path: string) => boolean;
  readonly #paths = new Set<string>();

  constructor(exists: (path: string) => boolean = existsSync) {
    this.#exists = exists;
  }

  /** Something took too long at this path. Paths where nothing is any more are forgotten then: there are as many as there were at a time. */
  add(path: string): void {
    for (const other of this.#paths) if (!this.#exists(other)) this.#paths.delete(other);
    this.#paths.add(path);
  }

  /** Something came to its end there. */
  delete(path: string): void {
    this.#paths.delete(path);
  }

  has(path: string): boolean {
    return this.#paths.has(path);
  }

  get size(): number {
    return this.#paths.size;
  }
}

/** Tools, and transactions. */
export const heldUp = new HeldUp();

/** Milliseconds that work may take in such a namespace while a node ends. */
const HURRIED = 1_000;

let ending = 0;

/** A node ends: until the result is called, a namespace in which something took too long gets only a short time for what is next. */
export function hurry(): () => void {
  ending++;
  return () => void ending--;
}

/** Milliseconds that work in the namespace has, of those that it would have. */
export const patience = (netns: string | undefined, longest: number): number =>
  ending > 0 && netns !== undefined && heldUp.has(netns) ? Math.min(longest, HURRIED) : longest;
