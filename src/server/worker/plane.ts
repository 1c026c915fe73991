/**
 * The data plane with worker threads for UDP. This thread owns the sockets (so a worker's death costs none), answers TCP
 * and questions without a socket, and passes on every patch. A sandbox's sockets are all with one worker.
 */
import { Worker } from "node:worker_threads";
import type { ForwarderOptions } from "../../forwarder/core-options.ts";
import type { Forwarder } from "../../forwarder/types.ts";
import type { Listen, SandboxId } from "../../model/types.ts";
import { openEventfd, wake } from "../../os/poll.ts";
import { closeFd } from "../../os/socket.ts";
import type { ScopePatch } from "../../scoping/patch.ts";
import { Answerer } from "../answerer.ts";
import type { Senders } from "../binding.ts";
import type { Bound, DataPlane, OpenSockets, Place } from "../data-plane.ts";
import { Listeners, type Listening } from "../listeners.ts";
import { createServing, type ServeCounters, type ServingOptions } from "../serve.ts";
import { openTcp } from "../transports/tcp.ts";
import { until } from "../until.ts";
import { chunks } from "./chunks.ts";
import { addCounters, newCounters } from "./counters.ts";
import type { FromWorker, ToWorker, WorkerSetup } from "./messages.ts";

export interface WorkerOptions {
  readonly workers: number;
  readonly serving: ServingOptions;
  readonly forwarderOptions: ForwarderOptions;
  /** For this thread's part. */
  readonly forwarder: Forwarder;
  readonly sockets: OpenSockets;
  /** Everything as it is now, for a worker that comes after another has died. */
  readonly snapshot: () => ScopePatch;
  readonly onError: (error: Error) => void;
}

/** Worker threads need the built file: Node 20 loads no TypeScript in them. */
export const canHaveWorkers = import.meta.url.endsWith(".js");

export class WorkerPlane implements DataPlane {
  readonly #options: WorkerOptions;
  readonly #answerer: Answerer;
  readonly #threads: Thread[];
  readonly #listeners = new Listeners({ open: (at, place, senders) => this.#open(at, place, senders) });
  #next = 0;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#answerer = new Answerer(createServing(options.serving), options.forwarder, options.onError);
    const { serving, forwarderOptions, snapshot, onError } = options;
    this.#threads = Array.from(
      { length: options.workers },
      () => new Thread({ serving, forwarder: forwarderOptions }, snapshot, onError),
    );
    process.on("exit", this.#end);
  }

  /** However this process ends: node waits for its threads, and one that waits in epoll_wait(2) hears only its eventfd. */
  readonly #end = (): void => {
    for (const thread of this.#threads) thread.end();
  };

  get counters(): DataPlane["counters"] {
    const sum: ServeCounters = { ...this.#answerer.serving.counters };
    for (const thread of this.#threads) thread.addCounters(sum);
    return sum;
  }

  update(patch: ScopePatch): void {
    this.#answerer.update(patch);
    const parts = chunks(patch);
    for (const thread of this.#threads) for (const part of parts) thread.post({ kind: "patch", patch: part });
  }

  async applied(): Promise<void> {
    await Promise.all(this.#threads.map((t) => t.mark()));
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

  async drain(): Promise<void> {
    await Promise.all([until(() => this.#options.forwarder.inFlight === 0), ...this.#threads.map((t) => t.drain())]);
  }

  async close(): Promise<void> {
    await this.#listeners.close();
    process.off("exit", this.#end);
    await Promise.all(this.#threads.map((t) => t.close()));
  }

  async #open(listen: Listen, place: Place, senders: Senders): Promise<Listening> {
    const { address } = listen;
    const sockets = await this.#options.sockets(listen, place);
    const thread = this.#threads[this.#next++ % this.#threads.length]!;
    const tcp = await openTcp(address, 0, this.#answerer.handler(address, senders), { fd: sockets.tcp });
    thread.listen(sockets.udp, address, senders);
    return {
      port: sockets.port,
      changed: () => thread.listen(sockets.udp, address, senders),
      async close() {
        await Promise.all([tcp.close(), thread.unlisten(sockets.udp)]);
        closeFd(sockets.udp);
        await sockets.release?.();
      },
    };
  }
}

/** One worker, and the next one if it dies: the sockets it had go to its successor, and queries wait in them meanwhile. */
class Thread {
  readonly #setup: Omit<WorkerSetup, "wake" | "counters">;
  readonly #snapshot: () => ScopePatch;
  readonly #onError: (error: Error) => void;
  readonly #wake = openEventfd();
  readonly #sockets = new Map<number, { address: string; senders: Senders }>();
  readonly #waiting = new Map<number, () => void>();
  /** Of this worker and of those before it. */
  readonly #counters = [newCounters()];
  #worker: Worker;
  #token = 0;
  #closing = false;
  #deaths = 0;
  #exited: Promise<void> = Promise.resolve();

  constructor(
    setup: Omit<WorkerSetup, "wake" | "counters">,
    snapshot: () => ScopePatch,
    onError: (error: Error) => void,
  ) {
    this.#setup = setup;
    this.#snapshot = snapshot;
    this.#onError = onError;
    this.#worker = this.#start();
  }

  post(message: ToWorker): void {
    this.#worker.postMessage(message);
    wake(this.#wake);
  }

  listen(fd: number, address: string, senders: Senders): void {
    this.#sockets.set(fd, { address, senders });
    this.post({ kind: "listen", fd, address, given: senders.given });
  }

  /** Resolves when the worker does not touch the socket any more. */
  unlisten(fd: number): Promise<void> {
    this.#sockets.delete(fd);
    return this.#ask((token) => ({ kind: "unlisten", fd, token }));
  }

  /** Resolves when everything posted before has been done. */
  mark(): Promise<void> {
    return this.#ask((token) => ({ kind: "mark", token }));
  }

  drain(): Promise<void> {
    return this.#ask((token) => ({ kind: "drain", token }));
  }

  addCounters(to: ServeCounters): void {
    for (const counters of this.#counters) addCounters(counters, to);
  }

  /** It stops as soon as it hears of it. */
  end(): void {
    this.#closing = true;
    this.post({ kind: "stop" });
  }

  async close(): Promise<void> {
    this.end();
    await this.#exited;
    closeFd(this.#wake);
  }

  #ask(message: (token: number) => ToWorker): Promise<void> {
    const token = ++this.#token;
    return new Promise((resolve) => {
      this.#waiting.set(token, resolve);
      this.post(message(token));
    });
  }

  #start(): Worker {
    const workerData: WorkerSetup = { ...this.#setup, wake: this.#wake, counters: this.#counters.at(-1)! };
    const worker = new Worker(new URL("./thread.js", import.meta.url), { workerData, name: "eleven-dns" });
    worker.on("message", (message: FromWorker) => {
      if (message.kind === "trouble") return this.#onError(new Error(message.message));
      this.#waiting.get(message.token)?.();
      this.#waiting.delete(message.token);
    });
    worker.on("error", (error) => this.#onError(new Error(`worker: ${error.message}`, { cause: error })));
    this.#exited = new Promise((resolve) => {
      worker.once("exit", () => {
        if (!this.#closing) this.#replace();
        resolve();
      });
    });
    return worker;
  }

  /** What a dead worker was asked for is done: it touches nothing any more. */
  #settle(): void {
    for (const done of this.#waiting.values()) done();
    this.#waiting.clear();
  }

  #replace(): void {
    this.#settle();
    this.#counters.push(newCounters());
    const again = () => {
      this.#settle();
      if (this.#closing) return;
      this.#worker = this.#start();
      for (const part of chunks(this.#snapshot())) this.post({ kind: "patch", patch: part });
      for (const [fd, { address, senders }] of this.#sockets) this.listen(fd, address, senders);
      this.#onError(new Error("a worker died; another has taken over its sockets"));
    };
    // At once the first time; a worker that dies over and over must not take this thread with it.
    if (this.#deaths++ === 0) again();
    else setTimeout(again, Math.min(1_000, 10 * 2 ** this.#deaths));
  }
}
