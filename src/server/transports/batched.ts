/** UDP in batches: recvmmsg, an answer for each where it lies, sendmmsg. One block of memory serves all sockets of a thread. */
import { Batch, sendTo } from "../../os/batch.ts";
import { datagramSocket } from "../../os/datagram.ts";
import { sockaddr } from "../../os/sockaddr.ts";
import type { Scope } from "../../scoping/scope.ts";
import { type Answerer, udpLimit } from "../answerer.ts";
import { forward } from "../forward.ts";
import type { Senders } from "../senders.ts";
import { LATER, serve } from "../serve.ts";
import type { Handler, Opened } from "./transport.ts";

export class BatchedUdp {
  readonly fd: number;
  readonly #senders: Senders;
  readonly #answerer: Answerer;
  readonly #maximum: number;
  readonly #batch: Batch;
  #open = true;

  constructor(fd: number, address: string, answerer: Answerer, senders: Senders, batch: Batch) {
    this.fd = fd;
    this.#senders = senders;
    this.#answerer = answerer;
    this.#maximum = udpLimit(address);
    this.#batch = batch;
  }

  /** Answers what waits in the socket, at most `most` datagrams: so others get their turn. */
  ready(most = this.#batch.size): void {
    const batch = this.#batch;
    const n = batch.receive(this.fd, most);
    for (let i = 0; i < n; ) i = this.#serve(i, n);
    batch.flush();
  }

  /** Late answers are dropped from here on: the descriptor may soon be another's. */
  close(): void {
    this.#open = false;
  }

  /** Serves the datagrams from the i-th on; where to go on. One that throws an exception gets no answer, and that is all. */
  #serve(first: number, n: number): number {
    const batch = this.#batch;
    const { serving, tables } = this.#answerer;
    const { only } = this.#senders;
    let i = first;
    try {
      const one = only === undefined ? undefined : tables.scope(only);
      for (; i < n; i++) {
        const packet = batch.slots[i]!;
        const scope = only === undefined ? this.#scopeOf(i) : one;
        const length = serve(serving, packet, batch.length(i), this.#maximum, scope, packet);
        if (length > 0) batch.answer(i, length);
        else if (length === LATER) this.#forward(i, packet, scope!);
      }
    } catch (error) {
      this.#answerer.threw(error);
    }
    return i + 1;
  }

  #scopeOf(i: number): Scope | undefined {
    const id = this.#senders.find(this.#batch.from(i));
    return id === undefined ? undefined : this.#answerer.tables.scope(id);
  }

  #forward(i: number, slot: Buffer, scope: Scope): void {
    const { serving, forwarder } = this.#answerer;
    const batch = this.#batch;
    const peer = batch.peer(i);
    forward(serving, forwarder, scope, slot, batch.length(i), batch.from(i), this.#maximum, (answer) => {
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
  const socket = datagramSocket(address);
  socket.on("message", (packet, peer) => {
    const send = (answer: Uint8Array) => {
      if (peer.address.includes("%")) return socket.send(answer, peer.port, peer.address); // link-local: node knows the scope
      // By hand, since node would send it after those that are answered below.
      sendTo(fd, { name: sockaddr(peer.address, peer.port), control: NOTHING }, answer);
    };
    try {
      const length = handler.serve(packet, packet.length, peer.address, "udp", out);
      if (length > 0) send(Buffer.from(out.subarray(0, length)));
      else if (length === LATER) {
        handler.forward(packet, peer.address, "udp", (answer) => {
          if (open) send(answer);
        });
      }
    } catch (error) {
      handler.threw(error);
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
