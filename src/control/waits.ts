/** Clients that wait: until a revision is there, and what it says is in names and kernel, or drained. Each has a time, and all have an end. */
import type { ServerResponse } from "node:http";
import type { TargetStatus } from "../node/events.ts";
import type { Controlled } from "./controlled.ts";
import { Problem } from "./problem.ts";

export type For = "applied" | "drained";

export interface Waited {
  readonly waited: For | "timeout";
  /** Namespaces that could not be made so. Missing: none. */
  readonly degraded?: readonly Pick<TargetStatus, "target" | "reason">[];
}

/** What the node is asked to wait for at a time; what was given up by whoever asked counts until it is over. */
const MOST = 512;

type Ended = For | "timeout" | "closing";

export class Waits {
  readonly #node: Pick<Controlled, "state" | "balance" | "applied" | "drained">;
  /** Called if the server ends. */
  readonly #ends = new Set<() => void>();
  /** Called when this revision is there. */
  readonly #revisions = new Map<() => void, number>();
  /** How many wait on each connection. */
  readonly #waiting = new WeakMap<object, number>();
  #under = 0;
  #closed = false;

  constructor(node: Pick<Controlled, "state" | "balance" | "applied" | "drained">) {
    this.#node = node;
  }

  /** There is another revision. */
  follow(revision: number): void {
    for (const [reached, wanted] of this.#revisions) if (wanted <= revision) reached();
  }

  /** `seconds` is the time that it may take. A client that goes is not waited for. Throws a Problem. */
  async wait(what: For, revision: number, seconds: number, outgoing: ServerResponse): Promise<Waited> {
    if (this.#under >= MOST) throw new Problem("busy", `${MOST} wait already`, { headers: { "retry-after": "1" } });
    const { socket } = outgoing.req;
    this.#count(socket, 1);
    const ended = await this.#ended(what, revision, seconds, outgoing).finally(() => this.#count(socket, -1));
    if (ended === "closing") throw new Problem("closing", "the agent is ending");
    const degraded = degradedOf(this.#node.balance);
    return { waited: ended, ...(degraded.length > 0 && { degraded }) };
  }

  /** The connection is silent for a reason. */
  isPatient(socket: object): boolean {
    return (this.#waiting.get(socket) ?? 0) > 0;
  }

  close(): void {
    this.#closed = true;
    for (const end of this.#ends) end();
  }

  #ended(what: For, revision: number, seconds: number, outgoing: ServerResponse): Promise<Ended> {
    return new Promise((resolve, reject) => {
      const settle = (end: () => void): void => {
        clearTimeout(timer);
        outgoing.off("close", late);
        this.#ends.delete(closing);
        this.#revisions.delete(reached);
        end();
      };
      const late = (): void => settle(() => resolve("timeout"));
      const closing = (): void => settle(() => resolve("closing"));
      const reached = (): void => {
        this.#revisions.delete(reached);
        this.#done(what).then(
          () => settle(() => resolve(what)),
          (error) => settle(() => reject(error)),
        );
      };
      const timer = setTimeout(late, seconds * 1_000);
      outgoing.once("close", late);
      this.#ends.add(closing);
      if (this.#closed) closing();
      else if (this.#node.state.revision >= revision) reached();
      else this.#revisions.set(reached, revision);
    });
  }

  #count(socket: object, by: 1 | -1): void {
    this.#waiting.set(socket, (this.#waiting.get(socket) ?? 0) + by);
  }

  async #done(what: For): Promise<void> {
    this.#under++;
    try {
      await this.#node[what]();
    } finally {
      this.#under--;
    }
  }
}

export const degradedOf = (balance: readonly TargetStatus[]): Pick<TargetStatus, "target" | "reason">[] =>
  balance
    .filter(({ state }) => state === "degraded")
    .map(({ target, reason }) => ({ target, ...(reason !== undefined && { reason }) }));
