/**
 * The data plane with worker threads. This thread owns the listening sockets (so a worker's death costs none), opens what takes
 * a right to open, answers questions without a socket, and passes on every patch. A sandbox's sockets are all with one worker.
 */
import { existsSync, stat } from "node:fs";
import type { ForwarderOptions, NodeForwarder } from "../../forwarder/io/node-loop.ts";
import type { Listen, SandboxId } from "../../model/types.ts";
import { descriptorLimit } from "../../os/descriptors.ts";
import { closeFd } from "../../os/socket.ts";
import { inParts, type ScopePatch } from "../../scoping/patch.ts";
import { Answerer } from "../answerer.ts";
import type { Bound, DataPlane, OpenSockets, Place } from "../data-plane.ts";
import { Listeners, type Listening } from "../listeners.ts";
import type { Senders } from "../senders.ts";
import { createServing, type ServingOptions } from "../serve.ts";
import { LAST_FLIGHT, LONGEST_FLIGHT, until } from "../until.ts";
import { ThreadHandle, type WorkerNews } from "./thread-handle.ts";

export interface WorkerPlaneOptions {
  readonly workers: number;
  readonly serving: ServingOptions;
  readonly forwarderOptions: ForwarderOptions;
  /** For this thread's part; closed with the plane. */
  readonly forwarder: NodeForwarder;
  readonly sockets: OpenSockets;
  /** Everything as it is now, for a worker that comes after another has died. */
  readonly snapshot: () => ScopePatch;
  readonly onError: (error: Error) => void;
  readonly news?: WorkerNews;
}

/** TCP connections of one worker, all its listeners together; each has a bound of its own (`transports/connections.ts`). */
const MOST_CONNECTIONS = 4096;

/**
 * Their program is a file of its own. It is missing where the source runs (Node 20
 * loads no TypeScript in threads), and in a bundle that left it out.
 */
export const canHaveWorkers = existsSync(new URL("./thread-main.js", import.meta.url));

export class WorkerPlane implements DataPlane {
  readonly #options: WorkerPlaneOptions;
  readonly #answerer: Answerer;
  readonly #workers: readonly ThreadHandle[];
  readonly #listeners = new Listeners({ open: (at, place, senders) => this.#open(at, place, senders) });
  #next = 0;

  constructor(options: WorkerPlaneOptions) {
    this.#options = options;
    const { serving, forwarderOptions: forwarder, snapshot, onError } = options;
    this.#answerer = new Answerer(createServing(serving), options.forwarder, onError);
    // Node's pool of threads starts when it is first used, as copies of the thread that uses it: it must not be a worker's.
    stat("/", () => {});
    // Half of what this process may open: the rest is for whatever keeps the other sandboxes going.
    const connections = Math.min(MOST_CONNECTIONS, Math.floor(descriptorLimit() / 2 / options.workers));
    this.#workers = Array.from(
      { length: options.workers },
      () => new ThreadHandle({ serving, forwarder, connections }, snapshot, onError, options.news),
    );
    process.on("exit", this.#end);
  }

  /** Also called when the process exits: node waits for its threads then, and one that waits in epoll_wait(2) hears only its eventfd. */
  readonly #end = (): void => {
    for (const worker of this.#workers) worker.end();
  };

  get counters(): DataPlane["counters"] {
    const serve = { ...this.#answerer.serving.counters };
    const forward = { ...this.#options.forwarder.counters };
    for (const worker of this.#workers) worker.addCounters(serve, forward);
    return { serve, forward };
  }

  get problems(): ReadonlyMap<SandboxId, Error> {
    const problems = new Map<SandboxId, Error>();
    for (const { problem, sandboxes } of this.#workers)
      if (problem !== undefined) for (const sandbox of sandboxes) problems.set(sandbox, problem);
    return problems;
  }

  update(patch: ScopePatch): void {
    this.#answerer.update(patch);
    const parts = inParts(patch);
    for (const worker of this.#workers) for (const part of parts) worker.post({ kind: "patch", patch: part });
  }

  async applied(): Promise<void> {
    await Promise.all(this.#workers.map((w) => w.mark()));
  }

  attach(sandbox: SandboxId, listen: readonly Listen[], place: Place = {}): Promise<readonly Bound[]> {
    return this.#listeners.attach(sandbox, listen, place);
  }

  detach(sandbox: SandboxId): Promise<void> {
    return this.#listeners.detach(sandbox);
  }

  ask(query: Uint8Array, sandbox: SandboxId): Promise<Uint8Array> {
    return this.#answerer.ask(query, sandbox);
  }

  drain(): Promise<void> {
    return this.#drain(LONGEST_FLIGHT);
  }

  async close(): Promise<void> {
    this.#answerer.end();
    await this.#drain(LAST_FLIGHT);
    this.#options.forwarder.close();
    await this.#listeners.close();
    process.off("exit", this.#end);
    await Promise.all(this.#workers.map((w) => w.close()));
  }

  async #drain(ms: number): Promise<void> {
    const { forwarder } = this.#options;
    await Promise.all([until(() => forwarder.inFlight === 0, ms), ...this.#workers.map((w) => w.drain(ms))]);
  }

  async #open(listen: Listen, place: Place, senders: Senders): Promise<Listening> {
    const { address } = listen;
    const { udp, tcp, port, release } = await this.#options.sockets(listen, place);
    const pair = { udp, tcp };
    const worker = this.#workers[this.#next++ % this.#workers.length]!;
    worker.listen(pair, address, senders);
    return {
      port,
      changed: () => worker.listen(pair, address, senders),
      async close() {
        await worker.unlisten(pair);
        closeFd(udp);
        closeFd(tcp);
        await release?.();
      },
    };
  }
}
