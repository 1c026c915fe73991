/**
 * Sockets that outlive a restart. They are kept in the service manager's descriptor store (sd_notify(3), FDSTORE=1), which
 * gives them to the next process (sd_listen_fds(3)); queries that come in between wait in them and are answered then.
 */
import { createHash } from "node:crypto";
import type { Notice } from "../model/notice.ts";
import type { Listen } from "../model/types.ts";
import { OsError } from "../os/error.ts";
import { inNetns } from "../os/netns.ts";
import { closeFd, isDatagram, netnsCookie, netnsCookieHere } from "../os/socket.ts";
import { notify } from "../os/unix.ts";
import type { Place, Sockets } from "../server/data-plane.ts";

export interface Inherited extends Pick<Sockets, "udp" | "tcp" | "port"> {
  /** They are behind a redirect. */
  readonly redirected: boolean;
}

export class Inheritance {
  #ending = false;
  readonly #manager: string;
  /** By name: a pair of sockets each. */
  readonly #found: Map<string, number[]>;
  readonly #onNotice: Notice;

  /** From the environment; undefined if no service manager keeps descriptors for us. */
  static fromEnvironment(env: NodeJS.ProcessEnv, onNotice: Notice): Inheritance | undefined {
    const { NOTIFY_SOCKET: manager, FDSTORE: most } = env;
    if (manager === undefined || most === undefined) return undefined;
    return new Inheritance(manager, listenFds(env), onNotice);
  }

  constructor(manager: string, found: Map<string, number[]>, onNotice: Notice) {
    this.#manager = manager;
    this.#found = found;
    this.#onNotice = onNotice;
  }

  /** Everything is being closed for a restart: what is let go from now on is for the next process. */
  get ending(): boolean {
    return this.#ending;
  }

  /** Before everything is closed. */
  end(): void {
    this.#ending = true;
  }

  /**
   * The pair that was left for this address, if there is one. A pair that is in another namespace than the one that the path leads to
   * now is given back: a path may lead to a new namespace after every restart.
   */
  take(listen: Listen, place: Place): Inherited | undefined {
    for (const redirected of [false, true]) {
      const name = nameOf(listen, place, redirected);
      const fds = this.#found.get(name);
      if (fds === undefined) continue;
      if (!areIn(fds, place.netns)) {
        this.#giveBack(name, fds);
        continue;
      }
      const [udp, tcp] = [fds.find((fd) => isDatagram(fd)), fds.find((fd) => !isDatagram(fd))]; // in any order
      if (udp === undefined || tcp === undefined) continue;
      this.#found.delete(name);
      return { udp, tcp, port: listen.port, redirected: redirected || place.redirect === true };
    }
    return undefined;
  }

  /** Leaves a pair with the manager, under a name that the next process makes again. */
  leave(listen: Listen, place: Place, { udp, tcp }: Pick<Sockets, "udp" | "tcp">, redirected: boolean): string {
    const name = nameOf(listen, place, redirected);
    this.#tell(`FDSTORE=1\nFDNAME=${name}\nFDPOLL=0`, [udp, tcp]);
    return name;
  }

  /** The manager lets go of a pair. */
  forget(name: string): void {
    this.#tell(`FDSTOREREMOVE=1\nFDNAME=${name}`);
  }

  /** Closes and gives back what nobody took: sandboxes that are not there any more. Where they were, as far as that is known. */
  discard(): Discarded[] {
    return [...this.#found].flatMap(([name, fds]) => {
      const place = placeIn(name);
      const stillThere = place !== undefined && areIn(fds, place.netns);
      this.#giveBack(name, fds);
      return stillThere ? place : [];
    });
  }

  ready(): void {
    this.#tell("READY=1");
  }

  /** A manager that does not listen costs the next restart its sockets, and nothing now. */
  #tell(what: string, fds: readonly number[] = []): void {
    try {
      notify(this.#manager, what, fds);
    } catch (error) {
      this.#onNotice(`the service manager can't be told anything: ${error instanceof Error ? error.message : error}`);
    }
  }

  #giveBack(name: string, fds: readonly number[]): void {
    this.#found.delete(name);
    for (const fd of fds) closeFd(fd);
    this.forget(name);
  }
}

/** All of them are sockets in the namespace that the path leads to; missing: in ours. False if it can't be told. */
function areIn(fds: readonly number[], netns: string | undefined): boolean {
  try {
    const there = inNetns(netns, netnsCookieHere);
    return there !== undefined && fds.every((fd) => netnsCookie(fd) === there);
  } catch (error) {
    if (error instanceof OsError) return false; // there is no namespace
    throw error;
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

/** A sandbox that was there when the sockets were left. */
export interface Discarded {
  readonly netns: string;
  readonly address: string;
  readonly port: number;
  readonly redirected: boolean;
}

/** As systemd takes them. */
const LONGEST_NAME = 255;

/** A name that is the same each time, without a colon: the place itself, or its hash if it is too long for one. */
function nameOf({ address, port }: Listen, { netns = "", redirect = false }: Place, redirected: boolean): string {
  const place = `${address} ${port} ${netns}`;
  const kind = redirected || redirect ? "redirect" : "direct";
  const name = `eleven-${kind}-at-${Buffer.from(place).toString("base64url")}`;
  return name.length <= LONGEST_NAME ? name : `eleven-${kind}-${createHash("sha256").update(place).digest("hex")}`;
}

/** The place in a name; undefined if it is too long for one, or in no namespace. */
function placeIn(name: string): Discarded | undefined {
  const [, kind, encoded = ""] = /^eleven-(redirect|direct)-at-(.+)$/.exec(name) ?? [];
  const [, address = "", port, netns] = /^(\S+) (\d+) (.+)$/s.exec(`${Buffer.from(encoded, "base64url")}`) ?? [];
  return netns === undefined ? undefined : { netns, address, port: Number(port), redirected: kind === "redirect" };
}
