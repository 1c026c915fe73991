/** What is told to the operator, not again and again. */
import type { Notice } from "../../model/notice.ts";

export class SayOnce {
  readonly #notice: Notice;
  readonly #said = new Map<string, string>();

  constructor(notice: Notice) {
    this.#notice = notice;
  }

  /** Says it, unless it was the last thing said about this. */
  say(about: string, message: string): void {
    if (this.#said.get(about) === message) return;
    this.#said.set(about, message);
    this.#notice(message);
  }

  /** It is over: the next time it is said again. True if something had been said. */
  over(about: string): boolean {
    return this.#said.delete(about);
  }
}
