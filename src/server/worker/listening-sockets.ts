/** Where a worker listens: a pair of sockets for each address, lent by the main thread, and the sandboxes behind it. */
import type { Batch } from "../../os/batch.ts";
import type { Poll } from "../../os/poll.ts";
import type { Answerer } from "../answerer.ts";
import { type Given, Senders } from "../senders.ts";
import { BatchedUdp } from "../transports/batched.ts";
import type { PolledTcp } from "../transports/polled-tcp.ts";
import type { OnReady } from "../transports/transport.ts";
import type { Pair } from "./messages.ts";

/** Datagrams that one socket may have answered while others wait. */
const SHARE = 16;

export interface ListeningSocketsOptions {
  readonly poll: Poll;
  readonly onReady: OnReady;
  readonly answerer: Answerer;
  readonly tcp: PolledTcp;
  readonly batch: Batch;
}

interface OnPair {
  readonly pair: Pair;
  readonly udp: BatchedUdp;
  readonly senders: Senders;
}

export class ListeningSockets {
  readonly #options: ListeningSocketsOptions;
  /** By UDP socket. */
  readonly #pairs = new Map<number, OnPair>();

  constructor(options: ListeningSocketsOptions) {
    this.#options = options;
  }

  /** Answers on these sockets for these senders, or for these instead of those before. Throws an OsError. */
  listen(pair: Pair, address: string, given: readonly Given[]) {
    const known = this.#pairs.get(pair.udp);
    if (known !== undefined) return known.senders.become(given);
    const { poll, onReady, answerer, tcp, batch } = this.#options;
    const senders = new Senders();
    senders.become(given);
    const udp = new BatchedUdp(pair.udp, address, answerer, senders, batch);
    this.#pairs.set(pair.udp, { pair, udp, senders });
    poll.add(pair.udp);
    onReady.set(pair.udp, { ready: (busy) => udp.ready(busy ? SHARE : batch.size) });
    tcp.listen(pair.tcp, answerer.handler(address, senders));
  }

  unlisten(pair: Pair): void {
    const known = this.#pairs.get(pair.udp);
    if (known === undefined) return;
    const { poll, onReady, tcp } = this.#options;
    this.#pairs.delete(pair.udp);
    known.udp.close();
    poll.remove(pair.udp);
    onReady.delete(pair.udp);
    tcp.unlisten(pair.tcp);
  }

  /** What comes from here on is for whoever gets the sockets next. */
  stopReading(): void {
    for (const { pair } of this.#pairs.values()) this.#options.poll.remove(pair.udp);
    this.#options.tcp.stopReading();
  }

  close(): void {
    for (const { pair } of this.#pairs.values()) this.unlisten(pair);
  }
}
