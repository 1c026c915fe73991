/**
 * Sockets that outlive a restart. They are kept in the service manager's descriptor store (sd_notify(3), FDSTORE=1), which
 * gives them to the next process (sd_listen_fds(3)); queries that come in between wait in them and are answered then.
 */
import { createHash } from "node:crypto";
import type { Listen } from "../model/types.ts";
import { closeFd, isDatagram } from "../os/socket.ts";
import { notify } from "../os/unix.ts";
import type { Place, Sockets } from "../server/data-plane.ts";

export interface Inherited extends Pick<Sockets, "udp" | "tcp" | "port"> {
  /** They are behind a redirect. */
  readonly redirected: boolean;
}

export class Inheritance {
  readonly #manager: string;
  /** By name: a pair of sockets each. */
  readonly #found: Map<string, number[]>;

  /** From the environment; undefined if no service manager keeps descriptors for us. */
  static fromEnvironment(env: NodeJS.ProcessEnv): Inheritance | undefined {
    const { NOTIFY_SOCKET: manager, FDSTORE: most } = env;
    return manager === undefined || most === undefined ? undefined : new Inheritance(manager, listenFds(env));
  }

  constructor(manager: string, found: Map<string, number[]>) {
    this.#manager = manager;
    this.#found = found;
  }

  /** Set before everything is closed for a restart: what is let go from then on is for the next process. */
  ending = false;

  /** The pair that was left for this address, if there is one. */
  take(listen: Listen, place: Place): Inherited | undefined {
    for (const redirected of [false, true]) {
      const name = nameOf(listen, place, redirected);
      const fds = this.#found.get(name) ?? []; // in any order
      const [udp, tcp] = [fds.find((fd) => isDatagram(fd)), fds.find((fd) => !isDatagram(fd))];
      if (udp === undefined || tcp === undefined) continue;
      this.#found.delete(name);
      return { udp, tcp, port: listen.port, redirected };
    }
    return undefined;
  }

  /** Leaves a pair with the manager, under a name that the next process makes again. */
  leave(listen: Listen, place: Place, { udp, tcp }: Pick<Sockets, "udp" | "tcp">, redirected: boolean): string {
    const name = nameOf(listen, place, redirected);
    notify(this.#manager, `FDSTORE=1\nFDNAME=${name}\nFDPOLL=0`, [udp, tcp]);
    return name;
  }

  /** The manager lets go of a pair. */
  forget(name: string): void {
    notify(this.#manager, `FDSTOREREMOVE=1\nFDNAME=${name}`);
  }

  /** Closes and gives back what nobody took: sandboxes that are not there any more. */
  discard(): void {
    for (const [name, fds] of this.#found) {
      for (const fd of fds) closeFd(fd);
      this.forget(name);
    }
    this.#found.clear();
  }

  ready(): void {
    notify(this.#manager, "READY=1");
  }
}

const FIRST = 3;

function listenFds({
  LISTEN_PID: pid,
  LISTEN_FDS: count,
  LISTEN_FDNAMES: names = "",
}: NodeJS.ProcessEnv): Map<string, number[]> {
  const found = new Map<string, number[]>();
  if (Number(pid) !== process.pid) return found;
  for (const [i, name] of names.split(":").slice(0, Number(count)).entries()) {
    const known = found.get(name);
    if (known === undefined) found.set(name, [FIRST + i]);
    else known.push(FIRST + i);
  }
  return found;
}

/** A name that says nothing but is the same each time: at most 255 characters, no colon. */
function nameOf({ address, port }: Listen, { netns = "", redirect = false }: Place, redirected: boolean): string {
  const place = createHash("sha256").update(`${netns} ${address} ${port}`).digest("hex").slice(0, 32);
  return `eleven-${redirected || redirect ? "redirect" : "direct"}-${place}`;
}
