/** A worker thread as the main thread has it. If the thread dies, another takes its place and its sockets, in which queries wait meanwhile. */
import { Worker } from "node:worker_threads";
import { type ForwarderCounters, noCounts } from "../../forwarder/core/counters.ts";
import type { SandboxId } from "../../model/types.ts";
import { Descriptors } from "../../os/descriptors.ts";
import { inNetns } from "../../os/netns.ts";
import { openEventfd, wake } from "../../os/poll.ts";
import { closeFd, connectTcp, connectUdp } from "../../os/socket.ts";
import { inParts, type ScopePatch } from "../../scoping/patch.ts";
import type { Senders } from "../senders.ts";
import { noServeCounts, type ServeCounters } from "../serve.ts";
import type { Asked } from "../upstream-news.ts";
import { addCounters, keepCounters, newCounters } from "./counters.ts";
import type { FromWorker, LaneWanted, Pair, ToWorker, WorkerSetup } from "./messages.ts";

/** Milliseconds after which a worker counts as a good one, and the deaths before it as over. */
const PROVEN = 10_000;
/** Milliseconds that a worker may take to stop. */
const LAST = 5_000;

/** What it has to say beside errors. */
export interface WorkerNews {
  readonly onHealth?: ((upstream: Asked, up: boolean) => void) | undefined;
  /** These sandboxes have a problem, another one, or none any more. */
  readonly onProblem?: ((sandboxes: readonly SandboxId[]) => void) | undefined;
}

export type WorkerOptions = Pick<WorkerSetup, "serving" | "forwarder" | "connections">;

export class ThreadHandle {
  readonly #options: WorkerOptions;
  readonly #snapshot: () => ScopePatch;
  readonly #onError: (error: Error) => void;
  readonly #news: WorkerNews;
  readonly #wake = openEventfd();
  /** By UDP socket. */
  readonly #sockets = new Map<number, { pair: Pair; address: string; senders: Senders }>();
  readonly #waiting = new Map<number, () => void>();
  /** What this worker counts, and what those before it have counted. */
  #counters = sharedCounters();
  readonly #counted = sharedCounters();
  #worker: Worker;
  #token = 0;
  #closing = false;
  /** The last worker has gone: from here on the eventfd's number may be somebody else's. */
  #closed = false;
  /** Workers in a row that died before they counted as good. */
  #deaths = 0;
  #problem: Error | undefined;
  #proof: NodeJS.Timeout | undefined;
  #exited: Promise<void> = Promise.resolve();

  /** `snapshot`: all that is in force now, for a worker that comes after another. */
  constructor(
    options: WorkerOptions,
    snapshot: () => ScopePatch,
    onError: (error: Error) => void,
    news: WorkerNews = {},
  ) {
    this.#options = options;
    this.#snapshot = snapshot;
    this.#onError = onError;
    this.#news = news;
    this.#worker = this.#start();
    this.#hold();
  }

  /** Why its sandboxes are not answered reliably now, if so. */
  get problem(): Error | undefined {
    return this.#problem;
  }

  get sandboxes(): readonly SandboxId[] {
    return [...this.#sockets.values()].flatMap(({ senders }) => senders.given.map((g) => g.sandbox));
  }

  post(message: ToWorker): void {
    if (this.#closed) return;
    this.#worker.postMessage(message);
    wake(this.#wake);
  }

  listen(pair: Pair, address: string, senders: Senders): void {
    this.#sockets.set(pair.udp, { pair, address, senders });
    this.#hold();
    this.post({ kind: "listen", pair, address, given: senders.given });
  }

  /** Resolves when the worker does not touch the sockets any more. */
  unlisten(pair: Pair): Promise<void> {
    this.#sockets.delete(pair.udp);
    return this.#ask((token) => ({ kind: "unlisten", pair, token }));
  }

  /** Resolves when everything posted before has been done. */
  mark(): Promise<void> {
    return this.#ask((token) => ({ kind: "mark", token }));
  }

  /** Reads no more; resolves when who waited for an upstream has an answer, after `ms` an error. A worker that hangs is ended. */
  async drain(ms: number): Promise<void> {
    const worker = this.#worker;
    const late = setTimeout(() => {
      void worker.terminate();
      wake(this.#wake);
    }, ms + LAST);
    await this.#ask((token) => ({ kind: "drain", token, ms }));
    clearTimeout(late);
  }

  addCounters(serve: ServeCounters, forward: ForwarderCounters): void {
    for (const { serve: served, forward: forwarded } of [this.#counters, this.#counted]) {
      addCounters(served, serve);
      addCounters(forwarded, forward);
    }
  }

  /** It stops as soon as it hears of it. */
  end(): void {
    this.#closing = true;
    clearTimeout(this.#proof);
    this.post({ kind: "stop" });
  }

  async close(): Promise<void> {
    this.end();
    this.#worker.ref();
    const worker = this.#worker;
    const late = setTimeout(() => void worker.terminate(), LAST);
    await this.#exited;
    clearTimeout(late);
    if (this.#closed) return;
    this.#closed = true;
    this.#settle();
    closeFd(this.#wake);
  }

  #ask(message: (token: number) => ToWorker): Promise<void> {
    if (this.#closed) return Promise.resolve(); // until then, an end settles whoever waits
    const token = ++this.#token;
    return new Promise((resolve) => {
      this.#waiting.set(token, resolve);
      this.#hold();
      this.post(message(token));
    });
  }

  /** The process lives as long as there is a socket to answer on, or somebody waits for the worker. */
  #hold(): void {
    if (this.#sockets.size > 0 || this.#waiting.size > 0) this.#worker.ref();
    else this.#worker.unref();
  }

  #start(): Worker {
    const counters = sharedCounters();
    const descriptors = new Descriptors();
    const workerData: WorkerSetup = {
      ...this.#options,
      wake: this.#wake,
      serveCounters: counters.serve,
      forwardCounters: counters.forward,
      descriptors: descriptors.shared,
    };
    // Not the program's own flags: with --input-type, which `node -e` needs for `import`, no thread starts from a file.
    const options = { workerData, name: "eleven-dns", execArgv: [] };
    const worker = new Worker(new URL("./thread-main.js", import.meta.url), options);
    this.#counters = counters;
    worker.on("message", (message: FromWorker) => this.#hear(message, descriptors));
    worker.on("error", (error) => this.#onError(new Error(`worker: ${error.message}`, { cause: error })));
    this.#exited = new Promise((resolve) => {
      worker.once("exit", () => {
        descriptors.closeAll();
        this.#settle();
        this.#keepCounts();
        if (!this.#closing) this.#replace();
        resolve();
      });
    });
    this.#proof = setTimeout(() => {
      this.#deaths = 0;
      this.#suffer(undefined);
    }, PROVEN).unref();
    return worker;
  }

  #hear(message: FromWorker, descriptors: Descriptors): void {
    switch (message.kind) {
      case "open":
        this.#openLane(message, descriptors);
        return;
      case "trouble":
        this.#onError(new Error(message.message));
        return;
      case "upstream":
        this.#news.onHealth?.(message.upstream, message.up);
        return;
      case "done":
        this.#waiting.get(message.token)?.();
        this.#waiting.delete(message.token);
        this.#hold();
    }
  }

  /** The worker may not enter a namespace; a descriptor is good in every thread. */
  #openLane({ lane, transport, address, port, netns }: LaneWanted, descriptors: Descriptors): void {
    try {
      const fd = inNetns(netns, () => (transport === "udp" ? connectUdp : connectTcp)(address, port));
      descriptors.own(fd);
      this.post({ kind: "lane", lane, fd });
    } catch (error) {
      const reason = (error as { code?: string }).code ?? String(error);
      this.post({ kind: "noLane", lane, reason });
    }
  }

  #suffer(problem: Error | undefined): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.#news.onProblem?.(this.sandboxes);
  }

  /** Whoever waits for the worker to be done with something need not wait: a dead one touches nothing any more. */
  #settle(): void {
    for (const done of this.#waiting.values()) done();
    this.#waiting.clear();
  }

  /** Adds what a dead worker has counted to what those before it had. */
  #keepCounts(): void {
    keepCounters(this.#counters.serve, this.#counted.serve);
    keepCounters(this.#counters.forward, this.#counted.forward);
    this.#counters = sharedCounters();
  }

  #replace(): void {
    clearTimeout(this.#proof);
    const again = (): void => {
      this.#settle();
      if (this.#closing) return;
      try {
        this.#worker = this.#start();
      } catch (error) {
        this.#onError(new Error(`no worker can be started: ${error instanceof Error ? error.message : error}`));
        this.#replace();
        return;
      }
      this.#hold();
      for (const part of inParts(this.#snapshot())) this.post({ kind: "patch", patch: part });
      for (const { pair, address, senders } of this.#sockets.values()) this.listen(pair, address, senders);
      this.#onError(new Error("a worker died; another has taken over its sockets"));
    };
    // At once the first time; a worker that dies over and over must not take this thread with it.
    if (++this.#deaths === 1) {
      again();
      return;
    }
    this.#suffer(new Error(`the thread that answers for it dies again and again (${this.#deaths} times now)`));
    setTimeout(again, Math.min(1_000, 10 * 2 ** this.#deaths));
  }
}

const sharedCounters = () => ({ serve: newCounters(noServeCounts()), forward: newCounters(noCounts()) });
