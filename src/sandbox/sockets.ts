/** The pair of sockets behind a listening address, opened by hand: here or in a sandbox's network namespace. */
import type { Notice } from "../model/notice.ts";
import type { Listen } from "../model/types.ts";
import { OsError } from "../os/error.ts";
import { bringLoopbackUp } from "../os/link.ts";
import { inNetns } from "../os/netns.ts";
import { bindUdp, closeFd, listenTcp, type OpenSocket } from "../os/socket.ts";
import type { OpenSockets, Place, Sockets } from "../server/data-plane.ts";
import type { Inheritance } from "./inheritance.ts";
import { type Kept, keepRedirect } from "./keep-redirect.ts";
import { type Redirect, removeLeftover } from "./redirect.ts";

export interface SocketOptions {
  /** Sockets that an earlier process left with the service manager. */
  readonly inheritance?: Inheritance | undefined;
  /** Told of what was done otherwise than asked for. */
  readonly onNotice: Notice;
}

/**
 * Opens UDP and TCP on one address. In a namespace, `lo` is brought up first, and if the port is taken there the sockets get
 * random ports behind a redirect. Rejects with an OsError.
 */
export function createOpenSockets({ inheritance, onNotice }: SocketOptions): OpenSockets {
  return async (listen, place) => {
    const found = inheritance?.take(listen, place);
    const behindRedirect = (pair: Pair) => redirected(listen, place, pair, inheritance, onNotice);
    if (found !== undefined) return found.redirected ? behindRedirect(found) : kept(listen, place, found, inheritance);
    if (!place.redirect) {
      try {
        const pair = within(place, () => bindPair(listen.address, listen.port));
        if (place.netns !== undefined)
          await cleared({ netns: place.netns, address: listen.address, port: pair.port }, pair);
        return kept(listen, place, pair, inheritance);
      } catch (error) {
        if (place.netns === undefined || !(error instanceof OsError) || error.code !== "EADDRINUSE") throw error;
        onNotice(`${place.netns}: ${listen.address}:${listen.port} is taken there; it is redirected to ports of ours`);
      }
    }
    const pair = within(place, () => beside(bindUdp(listen.address, 0), listen.address, 0));
    return behindRedirect({ ...pair, port: listen.port });
  };
}

/** Nothing leads past the pair, or it is closed. */
async function cleared(at: Redirect, pair: Pair): Promise<void> {
  try {
    await removeLeftover(at);
  } catch (error) {
    closeFd(pair.udp);
    closeFd(pair.tcp);
    throw error;
  }
}

/** Bare descriptors. */
type Pair = Pick<Sockets, "udp" | "tcp" | "port">;

function kept(listen: Listen, place: Place, pair: Pair, inheritance: Inheritance | undefined): Sockets {
  const name = inheritance?.leave(listen, place, pair, false);
  return {
    ...pair,
    async release() {
      if (name !== undefined && !inheritance?.ending) inheritance?.forget(name);
    },
  };
}

async function redirected(
  listen: Listen,
  place: Place,
  pair: Pair,
  inheritance: Inheritance | undefined,
  onNotice: Notice,
): Promise<Sockets> {
  const rule = { netns: place.netns!, address: listen.address, port: listen.port };
  let redirect: Kept;
  try {
    redirect = await keepRedirect(rule, pair, onNotice);
  } catch (error) {
    closeFd(pair.udp);
    closeFd(pair.tcp);
    throw error;
  }
  const name = inheritance?.leave(listen, place, pair, true);
  return {
    ...pair,
    async release() {
      if (inheritance?.ending) return redirect.leave(); // sockets and rules stay for the next process: nothing is lost between
      if (name !== undefined) inheritance?.forget(name);
      await redirect.remove();
    },
  };
}

function within<T>({ netns }: Place, work: () => T): T {
  return inNetns(netns, () => {
    if (netns !== undefined) bringLoopbackUp(); // a namespace is born with it down; the host's own is not ours to touch
    return work();
  });
}

/** Both on one port; for port 0 the kernel picks it for UDP, and if TCP has that taken, another. */
function bindPair(address: string, port: number): Pair {
  for (let tries = port === 0 ? 16 : 1; ; tries--) {
    const udp = bindUdp(address, port);
    try {
      return beside(udp, address, udp.port);
    } catch (error) {
      if (tries <= 1) throw error;
    }
  }
}

/** TCP on that port, as UDP's other half, which is closed if there is none. */
function beside(udp: OpenSocket, address: string, port: number): Pair {
  try {
    return { udp: udp.fd, tcp: listenTcp(address, port).fd, port: udp.port };
  } catch (error) {
    closeFd(udp.fd);
    throw error;
  }
}
