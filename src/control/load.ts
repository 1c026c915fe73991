/** How much is asked at once: requests that are not answered yet, and answers that nobody has read yet. Past a bound, clients come back later. */
import type { ServerResponse } from "node:http";
import { Problem } from "./problem.ts";

/** A connection can ask for much without waiting for answers (RFC 9112, 9.3.2). */
const MOST_REQUESTS = 512;
/** Octets. One answer may be larger than this; then it is the only one. */
const MOST_UNREAD = 64 << 20;

export class Load {
  #requests = 0;
  #unread = 0;

  /** Until it is answered, or its connection gone. Throws a Problem. */
  enter(outgoing: ServerResponse): void {
    if (this.#requests >= MOST_REQUESTS || this.#unread > MOST_UNREAD)
      throw new Problem("busy", "too much is asked at once", { headers: { "retry-after": "1" } });
    this.#requests++;
    outgoing.once("close", () => this.#requests--);
  }

  /** An answer of so many octets is on its way. */
  holds(outgoing: ServerResponse, octets: number): void {
    this.#unread += octets;
    outgoing.once("close", () => {
      this.#unread -= octets;
    });
  }
}
