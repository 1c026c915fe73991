/**
 * Connections from the host's own 127.0.0.1 to a published port leave by a bridge, which the kernel does only where that bridge's
 * route_localnet is set. What it was before is remembered, over restarts too, and put back when no published port needs it any
 * more. IPv6 has no such setting.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { familyOf } from "../../../model/address.ts";
import type { StateDir } from "../../../os/state-dir.ts";
import type { LbTarget, PublishedPort } from "../../state.ts";
import { inside } from "./failure.ts";
import { isDevice } from "./typed.ts";

const FILE = "route_localnet";

export class Localnet {
  readonly #stateDir: StateDir | undefined;
  readonly #say: (problem: string) => void;
  /** By namespace and bridge (`nameOf`): the value before ours. */
  #before: Map<string, string> | undefined;

  /** Without a directory, it remembers until this process ends. */
  constructor(stateDir?: StateDir, say: (problem: string) => void = () => {}) {
    this.#stateDir = stateDir;
    this.#say = say;
  }

  /** Sets it for the bridges of these ports that are there: one may come later. Throws an LbError. */
  open(target: LbTarget, published: readonly PublishedPort[]): void {
    inside(target, "route_localnet", () => {
      const before = this.#known();
      const closed = bridgesOf(published.filter(isFour)).filter((bridge) => current(bridge) === "0");
      if (closed.length === 0) return;
      for (const name of closed.map((bridge) => nameOf(target, bridge))) if (!before.has(name)) before.set(name, "0");
      this.#remember(); // before it is another
      for (const bridge of closed) writeFileSync(fileOf(bridge), "1");
    });
  }

  /** It is set for the port's bridge, or there is no such bridge (yet). In the namespace of the calling thread. */
  isOpenFor(port: PublishedPort): boolean {
    return !isFour(port) || current(port.bridge) !== "0";
  }

  /** Puts back what was there before us for all bridges of the target but those of these ports. Throws an LbError. */
  close(target: LbTarget, except: readonly PublishedPort[] = []): void {
    const before = this.#known();
    const kept = new Set(bridgesOf(except.filter(isFour)).map((bridge) => nameOf(target, bridge)));
    const gone = [...before].filter(([name]) => netnsOf(name) === (target.netns ?? "") && !kept.has(name));
    if (gone.length === 0) return;
    inside(target, "route_localnet", () => {
      for (const [name, value] of gone) {
        if (current(bridgeOf(name)) !== undefined) writeFileSync(fileOf(bridgeOf(name)), value);
        before.delete(name);
      }
    });
    this.#remember();
  }

  #known(): Map<string, string> {
    if (this.#before !== undefined) return this.#before;
    const read = this.#stateDir?.recall(FILE, this.#say) ?? {};
    const entries = typeof read === "object" ? Object.entries(read) : [];
    this.#before = new Map(entries.filter(([name, value]) => isDevice(bridgeOf(name)) && value === "0"));
    return this.#before;
  }

  /** Where that fails, we remember as long as we live. */
  #remember(): void {
    try {
      if (this.#before?.size) this.#stateDir?.write(FILE, Object.fromEntries(this.#before));
      else this.#stateDir?.remove(FILE);
    } catch (error) {
      this.#say(error instanceof Error ? error.message : String(error));
    }
  }
}

/** Bridges that published ports lead over, each once. */
export const bridgesOf = (published: readonly Pick<PublishedPort, "bridge">[]): string[] => [
  ...new Set(published.map(({ bridge }) => bridge)),
];

const isFour = ({ to }: PublishedPort): boolean => familyOf(to) === 4;

/** What it is remembered by: path of the namespace ("": this process's) and bridge, whose name has no spaces. */
const nameOf = ({ netns = "" }: LbTarget, bridge: string): string => `${netns} ${bridge}`;
const netnsOf = (name: string): string => name.slice(0, name.lastIndexOf(" "));
const bridgeOf = (name: string): string => name.slice(name.lastIndexOf(" ") + 1);

const fileOf = (bridge: string): string => `/proc/sys/net/ipv4/conf/${bridge}/route_localnet`;

/** Undefined: there is no such bridge. */
function current(bridge: string): string | undefined {
  if (!isDevice(bridge)) return undefined;
  try {
    return readFileSync(fileOf(bridge), "latin1").trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
