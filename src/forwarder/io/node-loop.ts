/** The forwarder on node's event loop: the core, node's sockets, and one timer. */
import { createForwarderCore } from "../core/core.ts";
import type { ForwarderCore, ForwarderOptions, OnHealth } from "../core/options.ts";
import type { Forwarder, ForwardReply, ForwardRequest } from "../core/types.ts";
import { createRandom16 } from "./random.ts";
import { createNodeExchange, type NetnsSockets } from "./sockets.ts";

export type { ForwarderOptions } from "../core/options.ts";

/** What can be read for metrics beside forwarding. */
export type NodeForwarder = Forwarder & Pick<ForwarderCore, "counters" | "inFlight" | "servers">;

/** `threw`: what a packet, an error of a socket or the time made the core throw. It costs that one thing, and never the process. */
export function createForwarder(
  options: ForwarderOptions = {},
  netnsSockets?: NetnsSockets,
  threw: (error: unknown) => void = () => {},
  onHealth?: OnHealth,
): NodeForwarder {
  const guarded = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      threw(error);
    }
    arm();
  };
  const exchange = createNodeExchange(
    {
      received: (lane, packet) => guarded(() => core.received(lane, packet)),
      failed: (lane, reason) => guarded(() => core.failed(lane, reason)),
    },
    netnsSockets,
  );
  const now = () => performance.now();
  const core = createForwarderCore({ exchange, now, random: createRandom16(), options, onHealth });

  let timer: NodeJS.Timeout | undefined;
  let armedFor = Number.POSITIVE_INFINITY;
  // Armed anew only for an earlier moment: a timer that rings too early costs less than one set for each query.
  const arm = () => {
    const at = core.nextDeadline();
    if (at >= armedFor) return;
    clearTimeout(timer);
    armedFor = at;
    timer = setTimeout(ring, Math.max(GRAIN, at - now()));
  };
  const ring = () => {
    armedFor = Number.POSITIVE_INFINITY;
    guarded(() => core.tick());
  };

  return {
    forward(request: ForwardRequest, reply: ForwardReply) {
      core.forward(request, reply);
      arm();
    },
    close() {
      clearTimeout(timer);
      armedFor = Number.NEGATIVE_INFINITY; // never armed again
      core.close();
    },
    counters: core.counters,
    get servers() {
      return core.servers;
    },
    get inFlight() {
      return core.inFlight;
    },
  };
}

/** Deadlines are tens of milliseconds at least: two this close share one ring. */
const GRAIN = 5;
