/** What a worker's loop does, on this thread between two turns of node's: the same code, without a worker. */
import { Descriptors } from "../../src/os/descriptors.ts";
import { Poll } from "../../src/os/poll.ts";
import { closeFd, listenTcp } from "../../src/os/socket.ts";
import type { Times } from "../../src/server/transports/connections.ts";
import { PolledTcp } from "../../src/server/transports/polled-tcp.ts";
import type { Handler, OnReady, Opened } from "../../src/server/transports/transport.ts";

/** Answers TCP on a free port of 127.0.0.1, out of an epoll set. */
export async function openPolledTcp(handler: Handler, times?: Times): Promise<Opened> {
  const poll = new Poll();
  const onReady: OnReady = new Map();
  const now = () => performance.now();
  const tcp = new PolledTcp({ poll, onReady, descriptors: new Descriptors(), now, most: 4096, times });
  const { fd, port } = listenTcp("127.0.0.1", 0);
  tcp.listen(fd, handler);
  let open = true;
  const turn = (): void => {
    if (!open) return;
    const ready = poll.wait(0);
    for (let i = 0; i < ready; i++) onReady.get(poll.fd(i))?.ready(ready > 1);
    tcp.tick();
    setImmediate(turn);
  };
  turn();
  return {
    port,
    async close() {
      open = false;
      tcp.unlisten(fd);
      closeFd(fd);
      poll.close();
    },
  };
}
