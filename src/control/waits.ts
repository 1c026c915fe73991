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

/** What the node is asked to wait for at a time; those that were given up by whoever asked count until they are over. */
const MOST = 512;

export class Waits {
  readonly #node: Pick<Controlled, "state" | "balance" | "applied" | "drained">;
  readonly #ending = new AbortController();
  readonly #revisions = new Map<() => void, number>();
  /** Connections that are silent for a reason. */
  readonly patient = new WeakSet<object>();
  #under = 0;

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
    const { socket } = outgoing;
    if (socket) this.patient.add(socket);
    const over = new AbortController();
    try {
      const done = this.#reached(revision, over.signal).then(() => this.#done(what));
      const ended = await Promise.race([done, this.#over(seconds, outgoing, over)]);
      if (ended === "closing") throw new Problem("closing", "the agent is ending");
      const degraded = degradedOf(this.#node.balance);
      return { waited: ended, ...(degraded.length > 0 && { degraded }) };
    } finally {
      over.abort();
      if (socket) this.patient.delete(socket);
    }
  }

  close(): void {
    this.#ending.abort();
  }

  #reached(revision: number, over: AbortSignal): Promise<void> {
    if (this.#node.state.revision >= revision) return Promise.resolve();
    return new Promise((resolve) => {
      const reached = (): void => {
        this.#revisions.delete(reached);
        resolve();
      };
      this.#revisions.set(reached, revision);
      over.addEventListener("abort", reached, { once: true });
    });
  }

  async #done(what: For): Promise<For> {
    if (this.#ending.signal.aborted) return what;
    this.#under++;
    try {
      await this.#node[what]();
    } finally {
      this.#under--;
    }
    return what;
  }

  #over(seconds: number, outgoing: ServerResponse, over: AbortController): Promise<"timeout" | "closing"> {
    return new Promise((resolve) => {
      const late = (): void => resolve("timeout");
      const end = (): void => resolve("closing");
      const timer = setTimeout(late, seconds * 1_000);
      outgoing.once("close", late);
      this.#ending.signal.addEventListener("abort", end);
      over.signal.addEventListener("abort", () => {
        clearTimeout(timer);
        outgoing.off("close", late);
        this.#ending.signal.removeEventListener("abort", end);
        late();
      });
      if (this.#ending.signal.aborted) end();
    });
  }
}

export const degradedOf = (balance: readonly TargetStatus[]): Pick<TargetStatus, "target" | "reason">[] =>
  balance
    .filter(({ state }) => state === "degraded")
    .map(({ target, reason }) => ({ target, ...(reason !== undefined && { reason }) }));
