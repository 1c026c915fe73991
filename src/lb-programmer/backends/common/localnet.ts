/**
 * Connections from the host's own 127.0.0.1 to a published port leave by a bridge, which the kernel does only where that bridge's
 * route_localnet is set. What it was before is remembered, over restarts too, and put back when no published port needs it any
 * more. Synchronous, for the namespace of the calling thread; `place` says which one that is.
 */
import { readFileSync, writeFileSync } from "node:fs";
import type { StateDir } from "../../../os/state-dir.ts";
import { isDevice } from "./typed.ts";

const FILE = "route_localnet";

export class Localnet {
  readonly #stateDir: StateDir | undefined;
  readonly #say: (problem: string) => void;
  /** By place and bridge: the value before ours. */
  #before: Map<string, string> | undefined;

  /** Without a directory, it remembers until this process ends. */
  constructor(stateDir?: StateDir, say: (problem: string) => void = () => {}) {
    this.#stateDir = stateDir;
    this.#say = say;
  }

  /** Sets it for those bridges that are there: one may come later. Throws the file system's error. */
  open(place: string, bridges: readonly string[]): void {
    const before = this.#known();
    const closed = bridges.filter((bridge) => current(bridge) === "0");
    for (const bridge of closed) if (!before.has(nameOf(place, bridge))) before.set(nameOf(place, bridge), "0");
    if (closed.length === 0) return;
    this.#remember(); // before it is another
    for (const bridge of closed) writeFileSync(fileOf(bridge), "1");
  }

  /** It is set, or there is no such bridge (yet). */
  isOpen(bridge: string): boolean {
    return current(bridge) !== "0";
  }

  /** Puts back what was there before us for all bridges of the place but these. Throws the file system's error. */
  close(place: string, except: readonly string[] = []): void {
    const before = this.#known();
    const kept = new Set(except.map((bridge) => nameOf(place, bridge)));
    const gone = [...before].filter(([name]) => placeOf(name) === place && !kept.has(name));
    if (gone.length === 0) return;
    for (const [name, value] of gone) {
      if (current(bridgeOf(name)) !== undefined) writeFileSync(fileOf(bridgeOf(name)), value);
      before.delete(name);
    }
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

/** Places are paths; names of bridges have no spaces. */
const nameOf = (place: string, bridge: string): string => `${place} ${bridge}`;
const placeOf = (name: string): string => name.slice(0, name.lastIndexOf(" "));
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
