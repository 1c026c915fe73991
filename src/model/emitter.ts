/** eventemitter3, but what one listener throws harms neither who emits nor the other listeners. */
import { EventEmitter } from "eventemitter3";

/** Every listener is called with these words, and as nobody's method. */
type Listener<E extends Record<keyof E, unknown[]>, K extends keyof E> = (...words: E[K]) => unknown;

export class Emitter<E extends Record<keyof E, unknown[]>> extends EventEmitter<E> {
  /** What was ever to be called once: the others need not be looked for in order to be taken off. */
  readonly #once = new WeakSet<object>();
  /** What happened while listeners were called, the first of it still being told. */
  readonly #untold: (() => void)[] = [];
  readonly #threw: (error: unknown, event: string) => void;

  /** `threw` is told what a listener has thrown, or what the promise that it returned was rejected with. */
  constructor(threw: (error: unknown, event: string) => void) {
    super();
    this.#threw = threw;
  }

  override once<K extends EventEmitter.EventNames<E>>(event: K, listener: EventEmitter.EventListener<E, K>): this {
    this.#once.add(listener);
    return super.once(event, listener);
  }

  /** From within a listener: told once all have heard of what they are hearing of, so that everybody hears of things in their order. */
  override emit<K extends EventEmitter.EventNames<E>>(event: K, ...words: EventEmitter.EventArgs<E, K>): boolean {
    if (this.listenerCount(event) === 0) return false;
    const here = new Set(this.listeners(event));
    this.#untold.push(() => this.#tell(event, here, words));
    if (this.#untold.length > 1) return true;
    try {
      for (const tell of this.#untold) tell(); // more may come meanwhile
    } finally {
      this.#untold.length = 0;
    }
    return true;
  }

  /** To those that were there when it happened, and still are. */
  #tell<K extends EventEmitter.EventNames<E>>(
    event: K,
    here: ReadonlySet<unknown>,
    words: EventEmitter.EventArgs<E, K>,
  ): void {
    for (const listener of this.listeners(event) as Listener<E, K & keyof E>[]) {
      if (!here.has(listener)) continue;
      if (this.#once.has(listener)) this.off(event, listener as never, undefined, true); // as often as it was to be called once
      try {
        const returned = listener(...(words as unknown as E[K & keyof E]));
        if (returned instanceof Promise) returned.catch((error: unknown) => this.#threw(error, String(event)));
      } catch (error) {
        this.#threw(error, String(event));
      }
    }
  }
}
