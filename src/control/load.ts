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
  /** Whose answer it is: a request that was cut short does not know any more. */
  readonly #sockets = new WeakMap<ServerResponse, Socket>();
  /** What ends with each connection. */
  readonly #ends = new WeakMap<Socket, Set<() => void>>();

  /** Until it is answered, or its connection gone. Throws a Problem. */
  enter(outgoing: ServerResponse): void {
    if (this.#requests >= MOST_REQUESTS || this.#unread > MOST_UNREAD)
      throw new Problem("busy", "too much is asked at once", { headers: { "retry-after": "1" } });
    this.#requests++;
    this.#sockets.set(outgoing, outgoing.req.socket);
    this.#untilGone(outgoing, () => this.#requests--);
  }

  /** An answer of so many octets is on its way. */
  holds(outgoing: ServerResponse, octets: number): void {
    this.#unread += octets;
    this.#untilGone(outgoing, () => {
      this.#unread -= octets;
    });
  }

  /** An answer that waits behind others on its connection never hears that this one has closed. */
  #untilGone(outgoing: ServerResponse, done: () => void): void {
    const socket = this.#sockets.get(outgoing) ?? outgoing.req.socket;
    let ends = this.#ends.get(socket);
    if (ends === undefined) {
      ends = new Set();
      this.#ends.set(socket, ends);
      const all = ends;
      socket.once("close", () => {
        for (const end of [...all]) end();
      });
    }
    const end = (): void => {
      if (ends.delete(end)) done();
    };
    ends.add(end);
    outgoing.once("close", end);
    if (socket.closed) end();
  }
}
