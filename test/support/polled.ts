/** What a worker's loop does, on this thread between two turns of node's: the same code, without a worker. */
import type { Exchange, ExchangeEvents } from "../../src/forwarder/core/exchange.ts";
import { Descriptors } from "../../src/os/descriptors.ts";
import { Poll } from "../../src/os/poll.ts";
import { closeFd, listenTcp } from "../../src/os/socket.ts";
import type { Times } from "../../src/server/transports/connections.ts";
import { PolledTcp } from "../../src/server/transports/polled-tcp.ts";
import type { Handler, OnReady, Opened } from "../../src/server/transports/transport.ts";
import { PollExchange } from "../../src/server/worker/exchange.ts";

/** Answers TCP on a free port of 127.0.0.1, out of an epoll set. */
export async function openPolledTcp(handler: Handler, times?: Times): Promise<Opened> {
  const poll = new Poll();
  const onReady: OnReady = new Map();
  const now = () => performance.now();
  const tcp = new PolledTcp({ poll, onReady, descriptors: new Descriptors(), now, most: 4096, times });
  const { fd, port } = listenTcp("127.0.0.1", 0);
  tcp.listen(fd, handler);
  const stop = loop(poll, onReady, () => tcp.tick());
  return {
    port,
    async close() {
      stop();
      tcp.unlisten(fd);
      closeFd(fd);
      poll.close();
    },
  };
}

/** The forwarder's exchange as a worker has it, and how to end it. Sockets in namespaces can't be had. */
export function openPollExchange(events: ExchangeEvents): [exchange: Exchange, stop: () => void] {
  const poll = new Poll();
  const onReady: OnReady = new Map();
  const exchange: PollExchange = new PollExchange({
    poll,
    onReady,
    descriptors: new Descriptors(),
    events,
    wanted: ({ lane }) => exchange.notOpened(lane, "nobody opens sockets there"),
  });
  const stop = loop(poll, onReady, () => exchange.settle());
  return [
    exchange,
    () => {
      stop();
      poll.close();
    },
  ];
}

/** Turns until the result is called. */
function loop(poll: Poll, onReady: OnReady, afterwards: () => void): () => void {
  let open = true;
  const turn = (): void => {
    if (!open) return;
    const ready = poll.wait(0);
    for (let i = 0; i < ready; i++) onReady.get(poll.fd(i))?.ready(ready > 1);
    afterwards();
    setImmediate(turn);
  };
  turn();
  return () => {
    open = false;
  };
}
