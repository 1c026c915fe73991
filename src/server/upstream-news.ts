/**
 * Which upstreams have stopped answering, whoever finds it out: each thread has a forwarder of its own, and what one has just seen is
 * what is known.
 */
import type { Server } from "../forwarder/core/upstream-health.ts";

export interface UpstreamStatus {
  readonly address: string;
  readonly port: number;
  /** The namespace that it is asked from; missing: this process's own. */
  readonly netns?: string;
  readonly state: "up" | "down";
}

/** As a forwarder knows it. */
export type Asked = Pick<Server, "address" | "port" | "netns">;

export class UpstreamNews {
  readonly #told: (status: UpstreamStatus) => void;
  /** Those that do not answer. */
  readonly #down = new Set<string>();

  constructor(told: (status: UpstreamStatus) => void) {
    this.#told = told;
  }

  /** A forwarder has given it up, or has an answer of it again. */
  heard({ address, port, netns }: Asked, up: boolean): void {
    const key = `${address} ${port} ${netns ?? ""}`;
    if (up ? !this.#down.delete(key) : this.#down.has(key)) return;
    if (!up) this.#add(key);
    this.#told({ address, port, ...(netns !== undefined && { netns }), state: up ? "up" : "down" });
  }

  /** Containers name upstreams, too, as many as they like. */
  #add(key: string): void {
    if (this.#down.size >= MOST) this.#down.delete(this.#down.values().next().value!);
    this.#down.add(key);
  }
}

const MOST = 4096;
