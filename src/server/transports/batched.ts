/** UDP in batches: recvmmsg, an answer for each where it lies, sendmmsg. One block of memory serves all sockets of a thread. */
import { createSocket } from "node:dgram";
import { isIPv6 } from "node:net";
import { Batch, sendTo } from "../../os/batch.ts";
import { sockaddr } from "../../os/sockaddr.ts";
import type { Scope } from "../../scoping/scope.ts";
import { type Answerer, udpLimit } from "../answerer.ts";
import type { Senders } from "../binding.ts";
import { forward } from "../forward.ts";
import { LATER, serve } from "../serve.ts";
import type { Handler, Opened } from "./transport.ts";

/** Rounds that one socket may have before others get theirs. */
const ROUNDS = 4;

export class BatchedUdp {
  readonly fd: number;
  senders: Senders;
  readonly #answerer: Answerer;
  readonly #maximum: number;
  readonly #batch: Batch;
  #open = true;

  constructor(fd: number, address: string, answerer: Answerer, senders: Senders, batch: Batch) {
    this.fd = fd;
    this.senders = senders;
    this.#answerer = answerer;
    this.#maximum = udpLimit(address);
    this.#batch = batch;
  }

  /** Answers what waits in the socket, or as much of it as is fair. */
  ready(): void {
    for (let i = 0; i < ROUNDS && this.#round() === this.#batch.size; i++);
  }

  /** Late answers are dropped from here on: the descriptor may soon be another's. */
  close(): void {
    this.#open = false;
  }

  #round(): number {
    const batch = this.#batch;
    const n = batch.receive(this.fd);
    if (n === 0) return 0;
    const { serving, tables } = this.#answerer;
    const { only } = this.senders;
    const one = only === undefined ? undefined : tables.scope(only);
    for (let i = 0; i < n; i++) {
      const packet = batch.slots[i]!;
      const scope = only === undefined ? this.#scopeOf(i) : one;
      const length = serve(serving, packet, batch.length(i), this.#maximum, scope, packet);
      if (length > 0) batch.answer(i, length);
      else if (length === LATER) this.#forward(i, packet, scope!);
    }
    batch.flush();
    return n;
  }

  #scopeOf(i: number): Scope | undefined {
    const id = this.senders.find(this.#batch.from(i));
    return id === undefined ? undefined : this.#answerer.tables.scope(id);
  }

  #forward(i: number, slot: Buffer, scope: Scope): void {
    const { serving, forwarder } = this.#answerer;
    const packet = Buffer.from(slot.subarray(0, this.#batch.length(i)));
    const peer = this.#batch.peer(i);
    forward(serving, forwarder, scope, packet, this.#batch.from(i), this.#maximum, (answer) => {
      if (this.#open) sendTo(this.fd, peer, answer);
    });
  }
}

/**
 * The same on node's event loop. Node adopts the socket and wakes us with the first datagram of a burst; the rest is
 * taken in batches before it looks again. (Of that first one node does not tell which address was asked: on a wildcard
 * address of a host with several, use a worker.)
 */
export function openBatchedUdp(
  fd: number,
  address: string,
  answerer: Answerer,
  senders: Senders,
  handler: Handler,
): Promise<Opened> {
  shared ??= new Batch();
  const batched = new BatchedUdp(fd, address, answerer, senders, shared);
  const socket = createSocket({ type: isIPv6(address) ? "udp6" : "udp4" });
  socket.on("message", (packet, peer) => {
    const send = (answer: Uint8Array) => {
      if (peer.address.includes("%")) return socket.send(answer, peer.port, peer.address); // link-local: node knows the scope
      // By hand, since node would send it after those that are answered below.
      sendTo(fd, { name: sockaddr(peer.address, peer.port), control: NOTHING }, answer);
    };
    const length = handler.serve(packet, packet.length, peer.address, "udp", out);
    if (length > 0) send(Buffer.from(out.subarray(0, length)));
    else if (length === LATER) {
      handler.forward(packet, peer.address, "udp", (answer) => {
        if (open) send(answer);
      });
    }
    batched.ready();
  });
  let open = true;
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.bind({ fd, exclusive: true }, () => {
      socket.removeListener("error", reject);
      socket.on("error", handler.failed);
      const close = () => {
        open = false;
        batched.close();
        return new Promise<void>((done) => socket.close(done));
      };
      resolve({ port: socket.address().port, close });
    });
  });
}

let shared: Batch | undefined;
const out = Buffer.alloc(4096);
const NOTHING = Buffer.alloc(0);
