/**
 * Published ports are reserved on the host, so that nobody else takes one, and so that one which is somebody's already is
 * seen: it is not led away from him. The sockets are bound and nothing more; connections never reach them.
 */

import { familyOf } from "../../model/address.ts";
import { OsError } from "../../os/error.ts";
import { inNetns } from "../../os/netns.ts";
import { closeFd, reservePort } from "../../os/socket.ts";
import { joinedPublished, numbersText, rangeOf, single } from "../port-ranges.ts";
import type { PortRange, PublishedPort } from "../state.ts";

export class PortReservations {
  readonly #netns: string | undefined;
  /** A descriptor each; none for a protocol of which this kernel has no sockets, so that nobody else can have the port either. */
  readonly #held = new Map<string, number | undefined>();
  #refused: readonly Refused[] = [];
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
    const missing = [...wanted].filter(([key]) => !this.#held.has(key));
    this.#refused =
      missing.length === 0
        ? []
        : inNetns(this.#netns, () => missing.flatMap(([key, port]) => this.#take(key, port) ?? []));
    this.#had = this.#refused.length === 0 ? published : undefined;
    return this.#had ?? joinedPublished([...wanted].flatMap(([key, port]) => (this.#held.has(key) ? [port] : [])));
  }

  /** Why ports are not published, neighbours together: "8080-8089/tcp (IPv4): bind 0.0.0.0:8080: EADDRINUSE". */
  get taken(): readonly string[] {
    const ranges: { first: Refused; last: number }[] = [];
    for (const next of this.#refused.toSorted(inOrder)) {
      const range = ranges.at(-1);
      if (range?.last === next.port - 1 && isAlike(range.first, next)) range.last = next.port;
      else ranges.push({ first: next, last: next.port });
    }
    return ranges.map(({ first, last }) => `${nameOf(rangeOf(first, last))}: ${first.why}`);
  }

  close(): void {
    for (const fd of this.#held.values()) if (fd !== undefined) closeFd(fd);
    this.#held.clear();
    this.#had = undefined;
  }

  #take(key: string, { protocol, port, to }: PublishedPort): Refused | undefined {
    const family = familyOf(to);
    try {
      this.#held.set(key, reservePort(protocol, family === 6 ? "::" : "0.0.0.0", port));
      return undefined;
    } catch (error) {
      const code = error instanceof OsError ? error.code : "";
      if (!NO_SOCKETS.has(code))
        return { protocol, port, family, code, why: error instanceof Error ? error.message : String(error) };
      this.#held.set(key, undefined);
      return undefined;
    }
  }
}

/** A port that could not be had. */
interface Refused extends PortRange {
  readonly family: 4 | 6;
  readonly code: string;
  readonly why: string;
}

const inOrder = (a: Refused, b: Refused): number =>
  a.family - b.family || a.protocol.localeCompare(b.protocol) || a.port - b.port;

const isAlike = (a: Refused, b: Refused): boolean =>
  a.protocol === b.protocol && a.family === b.family && a.code === b.code;

/** No such protocol, no such address family. */
const NO_SOCKETS = new Set(["EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "EAFNOSUPPORT"]);

const keyOf = ({ protocol, port, to }: PublishedPort): string => nameOf({ protocol, port, family: familyOf(to) });

const nameOf = ({ family, ...range }: Pick<Refused, "protocol" | "port" | "last" | "family">): string =>
  `${numbersText(range)}/${range.protocol} (IPv${family})`;
