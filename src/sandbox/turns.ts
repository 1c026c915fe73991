/**
 * Work in turn: one after the other for whoever shares a key, in the order it was asked for, and side by side for everyone else. So
 * one who takes long holds up himself and nobody besides.
 */
export class Turns {
  /** How many go side by side. */
  readonly #most: number;
  /** The last one that was asked for, by key. */
  readonly #last = new Map<string, Promise<void>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** `work` must not reject. */
  add(keys: readonly string[], work: () => Promise<void>): void {
    const before = keys.map((key) => this.#last.get(key));
    const turn: Promise<void> = Promise.all(before).then(async () => {
      await this.#room();
      await work();
      const next = this.#waiting.shift();
      if (next !== undefined) next();
      else this.#running--;
      for (const key of keys) if (this.#last.get(key) === turn) this.#last.delete(key);
    });
    for (const key of keys) this.#last.set(key, turn);
  }

  /** Something was asked for that is not done. */
  get busy(): boolean {
    return this.#last.size > 0;
  }

  /** Resolves when everything that was asked for so far is done. */
  async settled(): Promise<void> {
    await Promise.all(this.#last.values());
  }

  /** Resolves when there is room, or somebody's place has become free. */
  async #room(): Promise<void> {
    if (this.#running < this.#most) this.#running++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
