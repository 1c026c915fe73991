/** What is meant where something was left out, wherever more than one part has to know it. The other defaults are in schema.ts. */
import type { Endpoint } from "./types.ts";

/** A node that was given no name of its own, as tasks name it. */
export const DEFAULT_NODE = "node-1";

export const DNS_PORT = 53;

/** Where containers expect their resolver: what a sandbox with a namespace of its own listens on. */
export const CONTAINER_RESOLVER = "127.0.0.11";

/** How a task is told apart from its siblings: by slot, in a global service by node. */
export const slotOrNode = ({
  slot,
  node = DEFAULT_NODE,
}: {
  slot?: number | undefined;
  node?: string | undefined;
}): string => String(slot ?? node);

/** An attachment of which nothing is known but the network. */
export const bareEndpoint = (network: string): Endpoint => ({ network, aliases: [], links: [], priority: 0 });

/** Where an agent's control API listens. */
export const CONTROL_SOCKET = "/run/eleven/eleven.sock";
