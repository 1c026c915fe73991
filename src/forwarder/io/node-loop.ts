/** The forwarder on node's event loop: the core, node's sockets, and one timer. */
import { createForwarderCore } from "../core/core.ts";
import type { ExchangeEvents } from "../core/exchange.ts";
import type { ForwarderCore, ForwarderOptions, OnHealth } from "../core/options.ts";
import type { Forwarder, ForwardReply, ForwardRequest } from "../core/types.ts";
import { createRandom16 } from "./random.ts";
import { createNodeExchange, type NetnsSockets } from "./sockets.ts";

export type { ForwarderOptions } from "../core/options.ts";

/** What can be read for metrics beside forwarding. */
export type NodeForwarder = Forwarder & Pick<ForwarderCore, "counters" | "inFlight" | "servers" | "flush">;

/** `threw` is told of exceptions in the core, whatever caused them (a packet, a socket's error, a timer): that one event is lost, and nothing else. */
export const createForwarder = (
  options: ForwarderOptions = {},
  netnsSockets?: NetnsSockets,
  threw: (error: unknown) => void = () => {},
  onHealth?: OnHealth,
): NodeForwarder => new EventLoopForwarder(options, netnsSockets, threw, onHealth);

class EventLoopForwarder implements NodeForwarder {
  readonly #core: ForwarderCore;
  readonly #threw: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #armedFor = Number.POSITIVE_INFINITY;

  constructor(
    options: ForwarderOptions,
    netnsSockets: NetnsSockets | undefined,
    threw: (error: unknown) => void,
    onHealth: OnHealth | undefined,
  ) {
    this.#threw = threw;
    const events: ExchangeEvents = {
      received: (lane, packet) => this.#guarded(() => this.#core.received(lane, packet)),
      failed: (lane, reason) => this.#guarded(() => this.#core.failed(lane, reason)),
    };
    const exchange = createNodeExchange(events, netnsSockets);
    const now = () => performance.now();
    this.#core = createForwarderCore({ exchange, now, random: createRandom16(), options, onHealth });
  }

  forward(request: ForwardRequest, reply: ForwardReply): void {
    this.#core.forward(request, reply);
    this.#arm();
  }

  flush(): void {
    this.#core.flush();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#armedFor = Number.NEGATIVE_INFINITY; // never armed again
    this.#core.close();
  }

  get counters(): NodeForwarder["counters"] {
    return this.#core.counters;
  }

  get servers(): NodeForwarder["servers"] {
    return this.#core.servers;
  }

  get inFlight(): number {
    return this.#core.inFlight;
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#threw(error);
    }
    this.#arm();
  }

  /** Anew only for an earlier moment: a timer that rings too early costs less than one set for each query. */
  #arm(): void {
    const at = this.#core.nextDeadline();
    if (at >= this.#armedFor) return;
    clearTimeout(this.#timer);
    this.#armedFor = at;
    this.#timer = setTimeout(() => this.#ring(), Math.max(GRAIN, at - performance.now()));
  }

  #ring(): void {
    this.#armedFor = Number.POSITIVE_INFINITY;
    this.#guarded(() => this.#core.tick());
  }
}

/** Milliseconds. Deadlines are at least tens of them away, so two that are this close share one timer. */
const GRAIN = 5;
