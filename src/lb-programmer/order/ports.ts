/**
 * Published ports are reserved on the host, so that nobody else takes one, and so that one which is somebody's already is
 * seen: it is not led away from him. The sockets are bound and nothing more; connections never reach them.
 */

import { familyOf } from "../../model/address.ts";
import { OsError } from "../../os/error.ts";
import { inNetns } from "../../os/netns.ts";
import { closeFd, reservePort } from "../../os/socket.ts";
import { joinedPublished, single } from "../port-ranges.ts";
import type { PublishedPort } from "../state.ts";

export class PortReservations {
  readonly #netns: string | undefined;
  /** A descriptor each; none for a protocol of which this kernel has no sockets, so that nobody else can have the port either. */
  readonly #held = new Map<string, number | undefined>();
  #refused = new Map<string, string>();
  /** What was asked for last, if all of it could be had. */
  #had: readonly PublishedPort[] | undefined;

  /** `netns`: path of the host's namespace, if it is not this process's own. */
  constructor(netns: string | undefined) {
    this.#netns = netns;
  }

  /** Reserves these and no others; gives back those that could be had, of ranges what is left. `taken` says which could not. */
  keep(published: readonly PublishedPort[]): readonly PublishedPort[] {
    if (published === this.#had) return published;
    const wanted = new Map(published.flatMap(single).map((p) => [keyOf(p), p]));
    for (const [key, fd] of this.#held) {
      if (wanted.has(key)) continue;
      if (fd !== undefined) closeFd(fd);
      this.#held.delete(key);
    }
    this.#refused = new Map();
    const missing = [...wanted].filter(([key]) => !this.#held.has(key));
    if (missing.length > 0) {
      inNetns(this.#netns, () => {
        for (const [key, port] of missing) this.#take(key, port);
      });
    }
    this.#had = this.#refused.size === 0 ? published : undefined;
    return this.#had ?? joinedPublished([...wanted].flatMap(([key, port]) => (this.#held.has(key) ? [port] : [])));
  }

  /** Why ports are not published: "8080/tcp (IPv4): bind 0.0.0.0:8080: EADDRINUSE". */
  get taken(): readonly string[] {
    return [...this.#refused].map(([key, why]) => `${key}: ${why}`);
  }

  close(): void {
    for (const fd of this.#held.values()) if (fd !== undefined) closeFd(fd);
    this.#held.clear();
    this.#had = undefined;
  }

  #take(key: string, { protocol, port, to }: PublishedPort): void {
    try {
      this.#held.set(key, reservePort(protocol, familyOf(to) === 6 ? "::" : "0.0.0.0", port));
    } catch (error) {
      if (error instanceof OsError && NO_SOCKETS.has(error.code)) this.#held.set(key, undefined);
      else this.#refused.set(key, error instanceof Error ? error.message : String(error));
    }
  }
}

/** No such protocol, no such address family. */
const NO_SOCKETS = new Set(["EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "EAFNOSUPPORT"]);

const keyOf = ({ protocol, port, to }: PublishedPort): string => `${port}/${protocol} (IPv${familyOf(to)})`;
