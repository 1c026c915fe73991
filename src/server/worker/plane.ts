/**
 * The data plane with worker threads. This thread owns the listening sockets (so a worker's death costs none), opens what takes
 * a right to open, answers questions without a socket, and passes on every patch. A sandbox's sockets are all with one worker.
 */
import { existsSync, stat } from "node:fs";
import type { ForwarderCounters } from "../../forwarder/core/counters.ts";
import type { ForwarderOptions, NodeForwarder } from "../../forwarder/io/node-loop.ts";
import type { Listen, SandboxId } from "../../model/types.ts";
import { descriptorLimit } from "../../os/descriptors.ts";
import { closeFd } from "../../os/socket.ts";
import { inParts, type ScopePatch } from "../../scoping/patch.ts";
import { Answerer } from "../answerer.ts";
import type { OpenSockets, Place } from "../data-plane.ts";
import type { Listening } from "../listeners.ts";
import { Plane, type Threads } from "../plane.ts";
import type { Senders } from "../senders.ts";
import { createServing, type ServeCounters, type ServingOptions } from "../serve.ts";
import { ThreadHandle, type WorkerNews } from "./thread-handle.ts";

export interface WorkerPlaneOptions {
  readonly workers: number;
  readonly serving: ServingOptions;
  readonly forwarderOptions: ForwarderOptions;
  /** For this thread's part; closed with the plane. */
  readonly forwarder: NodeForwarder;
  readonly sockets: OpenSockets;
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

export function workerPlane(options: WorkerPlaneOptions): Plane {
  const { serving, forwarder, sockets, onError } = options;
  const answerer = new Answerer(createServing(serving), forwarder, onError);
  const workers = new Workers(options, () => answerer.tables.snapshot());
  const open = async (listen: Listen, place: Place, senders: Senders): Promise<Listening> => {
    const { udp, tcp, port, release } = await sockets(listen, place);
    const pair = { udp, tcp };
    const worker = workers.next();
    worker.listen(pair, listen.address, senders);
    return {
      port,
      changed: () => worker.listen(pair, listen.address, senders),
      async close() {
        await worker.unlisten(pair);
        closeFd(udp);
        closeFd(tcp);
        await release?.();
      },
    };
  };
  return new Plane({ answerer, forwarder, threads: workers, open });
}

class Workers implements Threads {
  readonly #workers: readonly ThreadHandle[];
  #next = 0;

  /** `snapshot`: all that was handed to `update`, for a worker that comes after another has died. */
  constructor(
    { serving, forwarderOptions: forwarder, onError, workers, news }: WorkerPlaneOptions,
    snapshot: () => ScopePatch,
  ) {
    // Node's pool of threads starts when it is first used, as copies of the thread that uses it: it must not be a worker's.
    stat("/", () => {});
    // Half of what this process may open: the rest is for whatever keeps the other sandboxes going.
    const connections = Math.min(MOST_CONNECTIONS, Math.floor(descriptorLimit() / 2 / workers));
    this.#workers = Array.from(
      { length: workers },
      () => new ThreadHandle({ serving, forwarder, connections }, snapshot, onError, news),
    );
    process.on("exit", this.#end);
  }

  /** Also called when the process exits: node waits for its threads then, and one that waits in epoll_wait(2) hears only its eventfd. */
  readonly #end = (): void => {
    for (const worker of this.#workers) worker.end();
  };

  /** The one whose turn it is to have a listening address. */
  next(): ThreadHandle {
    return this.#workers[this.#next++ % this.#workers.length]!;
  }

  get problems(): ReadonlyMap<SandboxId, Error> {
    const problems = new Map<SandboxId, Error>();
    for (const { problem, sandboxes } of this.#workers)
      if (problem !== undefined) for (const sandbox of sandboxes) problems.set(sandbox, problem);
    return problems;
  }

  addCounters(serve: ServeCounters, forward: ForwarderCounters): void {
    for (const worker of this.#workers) worker.addCounters(serve, forward);
  }

  update(patch: ScopePatch): void {
    const parts = inParts(patch);
    for (const worker of this.#workers) for (const part of parts) worker.post({ kind: "patch", patch: part });
  }

  async applied(): Promise<void> {
    await Promise.all(this.#workers.map((w) => w.mark()));
  }

  async flush(): Promise<void> {
    for (const worker of this.#workers) worker.post({ kind: "flush" });
    await this.applied();
  }

  async drain(ms: number): Promise<void> {
    await Promise.all(this.#workers.map((w) => w.drain(ms)));
  }

  async close(): Promise<void> {
    process.off("exit", this.#end);
    await Promise.all(this.#workers.map((w) => w.close()));
  }
}
