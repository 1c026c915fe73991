/** How much is asked at once: requests that are not answered yet, and answers that nobody has read yet. Past a bound, clients come back later. */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { Problem } from "./problem.ts";

/** A connection can ask for much without waiting for answers (RFC 9112, 9.3.2). */
const MOST_REQUESTS = 512;
/** Octets. One answer may be larger than this; then it is the only one. */
const MOST_UNREAD = 64 << 20;

export class Load {
  #requests = 0;
  #unread = 0;
  /** Answers of each connection that are not over. */
  readonly #open = new WeakMap<Socket, Set<ServerResponse>>();

  /** Until it is answered, or its connection gone: "close" says so of each that was let in. Throws a Problem. */
  enter(outgoing: ServerResponse): void {
    this.#watch(outgoing);
    if (this.#requests >= MOST_REQUESTS || this.#unread > MOST_UNREAD)
      throw new Problem("busy", "too much is asked at once", { headers: { "retry-after": "1" } });
    this.#requests++;
    outgoing.once("close", () => this.#requests--);
  }

  /** An answer of so many octets is on its way. */
  holds(outgoing: ServerResponse, octets: number): void {
    this.#watch(outgoing);
    this.#unread += octets;
    outgoing.once("close", () => {
      this.#unread -= octets;
    });
  }

  /** Node says nothing to an answer that waits behind others when their connection closes: so it is said here. */
  #watch(outgoing: ServerResponse): void {
    const socket: Socket | null = outgoing.req.socket; // a request that was cut short has none any more
    if (socket === null) return;
    let open = this.#open.get(socket);
    if (open === undefined) {
      open = new Set();
      this.#open.set(socket, open);
      const all = open;
      socket.once("close", () => {
        for (const each of [...all]) each.emit("close");
      });
    }
    const answers = open;
    answers.add(outgoing);
    outgoing.once("close", () => answers.delete(outgoing));
  }
}
