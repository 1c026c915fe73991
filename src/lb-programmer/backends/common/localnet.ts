/**
 * Connections from the host's own 127.0.0.1 to a published port leave by a bridge, which the kernel does only where that bridge's
 * route_localnet is set. It is put back when no published port needs it any more. IPv6 has no such setting.
 */
import { readFileSync } from "node:fs";
import { familyOf } from "../../../model/address.ts";
import type { LbTarget, PublishedPort } from "../../state.ts";
import { inside } from "./failure.ts";
import type { Found } from "./found.ts";
import { isDevice } from "./typed.ts";

export class Localnet {
  readonly #found: Found;

  constructor(found: Found) {
    this.#found = found;
  }

  /** Sets it for the bridges of these ports that are there: one may come later. Throws an LbError. */
  open(target: LbTarget, published: readonly PublishedPort[]): void {
    const bridges = bridgesOf(published.filter(isFour));
    const closed = inside(target, "route_localnet", () => bridges.filter((bridge) => current(bridge) === "0"));
    this.#found.set(target, new Map(closed.map((bridge) => [keyOf(bridge), "1"])));
  }

  /** It is set for the port's bridge, or there is no such bridge (yet). In the namespace of the calling thread. */
  isOpenFor(port: PublishedPort): boolean {
    return !isFour(port) || current(port.bridge) !== "0";
  }

  /** Puts back what was there before us for all bridges of the target but those of these ports. Throws an LbError. */
  close(target: LbTarget, except: readonly PublishedPort[] = []): void {
    const kept = new Set(bridgesOf(except.filter(isFour)).map(keyOf));
    this.#found.putBack(target, undefined, (key) => OF_BRIDGE.test(key) && !kept.has(key));
  }
}

/** Not the setting of all interfaces, nor that of new ones: who sets those does so for another reason. */
const OF_BRIDGE = /^net\/ipv4\/conf\/(?!(all|default)\/)[^/]+\/route_localnet$/;

/** Bridges that published ports lead over, each once. */
export const bridgesOf = (published: readonly Pick<PublishedPort, "bridge">[]): string[] => [
  ...new Set(published.map(({ bridge }) => bridge)),
];

const isFour = ({ to }: PublishedPort): boolean => familyOf(to) === 4;

const keyOf = (bridge: string): string => `net/ipv4/conf/${bridge}/route_localnet`;

/** Undefined: there is no such bridge. */
function current(bridge: string): string | undefined {
  if (!isDevice(bridge)) return undefined;
  try {
    return readFileSync(`/proc/sys/${keyOf(bridge)}`, "latin1").trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
