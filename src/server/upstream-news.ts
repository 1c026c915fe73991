/**
 * Which upstreams have stopped answering, whoever finds it out: each thread has a forwarder of its own, and what one has just seen is
 * what is known.
 */
import type { Server } from "../forwarder/core/upstream-health.ts";
import type { Found, SandboxId, Upstream } from "../model/types.ts";

export interface UpstreamStatus {
  readonly address: string;
  readonly port: number;
  /** The namespace that it is asked from; missing: this process's own. */
  readonly netns?: string;
  readonly state: "up" | "down";
}

/** As a forwarder knows it. */
export type Asked = Pick<Server, "address" | "port" | "netns">;

/** Whom a node may ask, and which of those that were asked do not answer. */
export interface KnownUpstreams {
  readonly node: readonly Upstream[];
  readonly found: ReadonlyMap<SandboxId, Found>;
  readonly down: readonly UpstreamStatus[];
}

export class UpstreamNews {
  readonly #told: (status: UpstreamStatus) => void;
  /** Those that do not answer. */
  readonly #down = new Map<string, UpstreamStatus>();

  constructor(told: (status: UpstreamStatus) => void) {
    this.#told = told;
  }

  get down(): readonly UpstreamStatus[] {
    return [...this.#down.values()];
  }

  /** A forwarder has given it up, or has an answer of it again. */
  heard({ address, port, netns }: Asked, up: boolean): void {
    const key = `${address} ${port} ${netns ?? ""}`;
    if (up ? !this.#down.delete(key) : this.#down.has(key)) return;
    const status: UpstreamStatus = { address, port, ...(netns !== undefined && { netns }), state: up ? "up" : "down" };
    if (!up) this.#add(key, status);
    this.#told(status);
  }

  /** Containers name upstreams, too, as many as they like. */
  #add(key: string, status: UpstreamStatus): void {
    if (this.#down.size >= MOST) this.#down.delete(this.#down.keys().next().value!);
    this.#down.set(key, status);
  }
}

const MOST = 4096;
