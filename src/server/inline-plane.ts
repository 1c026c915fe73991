/**
 * The data plane on this thread. Over node's own sockets it is portable, and the reference for every other one; over
 * sockets opened by hand it answers in other network namespaces, and in batches if asked to.
 */
import type { NodeForwarder } from "../forwarder/io/node-loop.ts";
import type { Listen, SandboxId } from "../model/types.ts";
import { Answerer } from "./answerer.ts";
import type { Bound, DataPlane, OpenSockets, Place, Sockets } from "./data-plane.ts";
import { Listeners, type Listening } from "./listeners.ts";
import type { Senders } from "./senders.ts";
import type { Serving } from "./serve.ts";
import { openBatchedUdp } from "./transports/batched.ts";
import { openTcp } from "./transports/tcp.ts";
import type { Handler, Opened } from "./transports/transport.ts";
import { openUdp } from "./transports/udp.ts";
import { LAST_FLIGHT, LONGEST_FLIGHT, until } from "./until.ts";

export interface InlineOptions {
  readonly serving: Serving;
  /** Closed with the plane. */
  readonly forwarder: NodeForwarder;
  /** Missing: node opens the sockets, here. */
  readonly sockets?: OpenSockets | undefined;
  /** Reads and writes UDP with recvmmsg and sendmmsg. Needs `sockets`. */
  readonly batched?: boolean;
  /** Errors of sockets that belong to no single query. */
  readonly onError?: (error: Error) => void;
}

export class InlinePlane implements DataPlane {
  readonly #options: InlineOptions;
  readonly #answerer: Answerer;
  readonly #listeners = new Listeners({ open: (at, place, senders) => this.#open(at, place, senders) });

  constructor(options: InlineOptions) {
    this.#options = options;
    this.#answerer = new Answerer(options.serving, options.forwarder, options.onError ?? (() => {}));
  }

  get counters(): DataPlane["counters"] {
    const { serving, forwarder } = this.#options;
    return { serve: serving.counters, forward: forwarder.counters };
  }

  /** This thread answers, or nobody could ask. */
  readonly problems: DataPlane["problems"] = new Map();

  update(patch: Parameters<DataPlane["update"]>[0]): void {
    this.#answerer.update(patch);
  }

  async applied(): Promise<void> {} // update() has taken effect when it returns

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
    await until(() => this.#options.forwarder.inFlight === 0, LONGEST_FLIGHT);
  }

  async close(): Promise<void> {
    const { forwarder } = this.#options;
    this.#answerer.end();
    await until(() => forwarder.inFlight === 0, LAST_FLIGHT);
    forwarder.close();
    await this.#listeners.close();
  }

  async #open(listen: Listen, place: Place, senders: Senders): Promise<Listening> {
    const handler = this.#answerer.handler(listen.address, senders);
    const sockets = await this.#options.sockets?.(listen, place);
    const opened =
      sockets === undefined
        ? await openBoth(listen.address, listen.port, handler)
        : await this.#adopt(listen.address, sockets, senders, handler);
    return {
      port: sockets?.port ?? opened[0].port,
      changed() {},
      async close() {
        await Promise.all(opened.map((s) => s.close()));
        await sockets?.release?.();
      },
    };
  }

  async #adopt(address: string, sockets: Sockets, senders: Senders, handler: Handler): Promise<[Opened, Opened]> {
    const { udp, tcp } = sockets;
    try {
      const opened = this.#options.batched
        ? await openBatchedUdp(udp, address, this.#answerer, senders, handler)
        : await openUdp(address, 0, handler, udp);
      return await both(opened, openTcp(address, 0, handler, { fd: tcp }));
    } catch (error) {
      await sockets.release?.();
      throw error;
    }
  }
}

/** UDP and TCP on one port. For port 0 the kernel picks one for UDP; if TCP has it taken, another pair is tried. */
async function openBoth(address: string, port: number, handler: Handler): Promise<[Opened, Opened]> {
  for (let tries = port === 0 ? 16 : 1; ; tries--) {
    const udp = await openUdp(address, port, handler);
    try {
      return await both(udp, openTcp(address, udp.port, handler));
    } catch (error) {
      if (tries <= 1) throw error;
    }
  }
}

/** Both of them, or none. */
async function both(udp: Opened, tcp: Promise<Opened>): Promise<[Opened, Opened]> {
  try {
    return [udp, await tcp];
  } catch (error) {
    await udp.close();
    throw error;
  }
}
