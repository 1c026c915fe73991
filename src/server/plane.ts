/**
 * The data plane, whoever reads the sockets: this thread has tables and answers, and there may be threads beside it that have the same.
 * Who is behind which address is known here.
 */
import type { ForwarderCounters } from "../forwarder/core/counters.ts";
import type { NodeForwarder } from "../forwarder/io/node-loop.ts";
import type { Listen, SandboxId } from "../model/types.ts";
import type { ScopePatch } from "../scoping/patch.ts";
import type { Answerer } from "./answerer.ts";
import type { Bound, DataPlane, Place } from "./data-plane.ts";
import { Listeners, type Opener } from "./listeners.ts";
import type { ServeCounters } from "./serve.ts";
import { LAST_FLIGHT, LONGEST_FLIGHT, until } from "./until.ts";

/** Threads beside this one. */
export interface Threads extends Pick<DataPlane, "update" | "applied" | "flush" | "problems" | "close"> {
  /** Reads no more; resolves when nobody waits for an upstream, after `ms` in any case. */
  drain(ms: number): Promise<void>;
  addCounters(serve: ServeCounters, forward: ForwarderCounters): void;
}

export interface PlaneParts extends Opener {
  readonly answerer: Answerer;
  /** This thread's; closed with the plane. */
  readonly forwarder: NodeForwarder;
  /** Missing: this thread reads whatever is opened. */
  readonly threads?: Threads;
}

export class Plane implements DataPlane {
  readonly #parts: PlaneParts;
  readonly #listeners: Listeners;

  constructor(parts: PlaneParts) {
    this.#parts = parts;
    this.#listeners = new Listeners(parts);
  }

  get tables(): DataPlane["tables"] {
    return this.#parts.answerer.tables;
  }

  get counters(): DataPlane["counters"] {
    const { answerer, forwarder, threads } = this.#parts;
    const serve = { ...answerer.serving.counters };
    const forward = { ...forwarder.counters };
    threads?.addCounters(serve, forward);
    return { serve, forward };
  }

  /** Of the threads: this one can not fail without the whole process. */
  get problems(): DataPlane["problems"] {
    return this.#parts.threads?.problems ?? NONE;
  }

  update(patch: ScopePatch): void {
    this.#parts.answerer.update(patch);
    this.#parts.threads?.update(patch);
  }

  /** On this thread, `update` has taken effect when it returns. */
  async applied(revision: number): Promise<void> {
    await this.#parts.threads?.applied(revision);
  }

  attach(sandbox: SandboxId, listen: readonly Listen[], place: Place = {}): Promise<readonly Bound[]> {
    return this.#listeners.attach(sandbox, listen, place);
  }

  detach(sandbox: SandboxId): Promise<void> {
    return this.#listeners.detach(sandbox);
  }

  ask(query: Uint8Array, sandbox: SandboxId): Promise<Uint8Array> {
    return this.#parts.answerer.ask(query, sandbox);
  }

  async flush(): Promise<void> {
    this.#parts.forwarder.flush();
    await this.#parts.threads?.flush();
  }

  drain(): Promise<void> {
    return this.#drain(LONGEST_FLIGHT);
  }

  async close(): Promise<void> {
    const { answerer, forwarder, threads } = this.#parts;
    answerer.end();
    await this.#drain(LAST_FLIGHT);
    forwarder.close();
    await this.#listeners.close();
    await threads?.close();
  }

  async #drain(ms: number): Promise<void> {
    const { forwarder, threads } = this.#parts;
    await Promise.all([until(() => forwarder.inFlight === 0, ms), threads?.drain(ms)]);
  }
}

const NONE: DataPlane["problems"] = new Map();
