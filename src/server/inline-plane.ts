/**
 * The data plane on this thread. Over node's own sockets it is portable, and the reference for every other one; over
 * sockets opened by hand it answers in other network namespaces, and in batches if asked to.
 */
import type { NodeForwarder } from "../forwarder/io/node-loop.ts";
import type { Listen } from "../model/types.ts";
import { Answerer } from "./answerer.ts";
import type { OpenSockets, Place, Sockets } from "./data-plane.ts";
import type { Listening } from "./listeners.ts";
import { Plane } from "./plane.ts";
import type { Senders } from "./senders.ts";
import type { Serving } from "./serve.ts";
import { openBatchedUdp } from "./transports/batched.ts";
import { openTcp } from "./transports/tcp.ts";
import type { Handler, Opened } from "./transports/transport.ts";
import { openUdp } from "./transports/udp.ts";

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

export function inlinePlane(options: InlineOptions): Plane {
  const { serving, forwarder, sockets: openSockets, batched = false, onError = () => {} } = options;
  const answerer = new Answerer(serving, forwarder, onError);
  const open = async (listen: Listen, place: Place, senders: Senders): Promise<Listening> => {
    const handler = answerer.handler(listen.address, senders);
    const sockets = await openSockets?.(listen, place);
    const opened =
      sockets === undefined
        ? await openBoth(listen.address, listen.port, handler)
        : await adopt(listen.address, sockets, handler, (udp) =>
            batched
              ? openBatchedUdp(udp, listen.address, answerer, senders, handler)
              : openUdp(listen.address, 0, handler, udp),
          );
    return {
      port: sockets?.port ?? opened[0].port,
      changed() {},
      async close() {
        await Promise.all(opened.map((s) => s.close()));
        await sockets?.release?.();
      },
    };
  };
  return new Plane({ answerer, forwarder, open });
}

async function adopt(
  address: string,
  sockets: Sockets,
  handler: Handler,
  openUdp: (udp: number) => Promise<Opened>,
): Promise<[Opened, Opened]> {
  try {
    return await both(await openUdp(sockets.udp), openTcp(address, 0, handler, { fd: sockets.tcp }));
  } catch (error) {
    await sockets.release?.();
    throw error;
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
