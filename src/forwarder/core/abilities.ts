/** What one upstream was seen to be able to do: repeat a name's case, and read an OPT record. Old servers and boxes on the road can't. */

export class Abilities {
  /** It has repeated a name that had capitals. */
  #keepsCase = false;
  /** It repeats names in a case of its own, which then proves nothing. */
  #foldsCase = false;
  /** Replies in another case, one after the other. */
  #respelled = 0;
  #knowsEdns = false;
  #plainUntil = Number.NEGATIVE_INFINITY;

  /** A reply with the name's capitals as they were sent. */
  keptCase(): void {
    this.#keepsCase = true;
    this.#foldsCase = false;
    this.#respelled = 0;
  }

  get keepsCase(): boolean {
    return this.#keepsCase;
  }

  /**
   * A reply that is right but for the name's case: whether to believe it. Over TCP it is the server's own word, and settles
   * the matter; over UDP the third one does, from a server that never kept a case: nobody guesses port and id three times.
   */
  believesRespelled(kind: "udp" | "tcp"): boolean {
    if (kind === "tcp" || (!this.#keepsCase && ++this.#respelled >= ENOUGH)) {
      this.#foldsCase = true;
      this.#keepsCase = false;
    }
    return this.#foldsCase;
  }

  /** A reply with an OPT record. */
  knewEdns(): void {
    this.#knowsEdns = true;
  }

  get knowsEdns(): boolean {
    return this.#knowsEdns;
  }

  /** A question was answered without OPT record that it had not answered with one; `silent`: it had said nothing at all. */
  answeredPlain(silent: boolean, now: number): void {
    if (!silent || !this.#knowsEdns) this.#plainUntil = now + PLAIN_FOR;
  }

  /** It is asked without OPT record. */
  isPlain(now: number): boolean {
    return now < this.#plainUntil;
  }
}

const ENOUGH = 3;
const PLAIN_FOR = 600_000;
