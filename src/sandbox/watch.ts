/**
 * Namespaces come and go under us: a path that leads to another one, or to none, is noticed within a second. Paths of which the file
 * system tells everything are looked at when it has told something, and seldom otherwise; the others every second.
 */
import { lstatSync, realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { Mounts } from "../os/mounts.ts";
import { Rounds } from "../os/rounds.ts";
import { Folder } from "./folder.ts";

/**
 * Which namespace a path leads to: device and inode of nsfs; undefined if to none, or to none that we may look at. `ip netns add`
 * makes a file first and mounts the namespace on it then.
 */
export function namespaceAt(path: string): string | undefined {
  try {
    const at = statSync(path, { throwIfNoEntry: false }); // hundreds are looked at: no exception, no bigint
    nsfs ??= statSync("/proc/self/ns/net").dev;
    return at?.dev === nsfs ? `${at.dev}:${at.ino}` : undefined;
  } catch {
    return undefined; // whoever enters it says why
  }
}

/** The device that all namespaces are on. */
let nsfs: number | undefined;

/** Milliseconds from look to look: where nothing is told, and where everything is, for safety. */
const OFTEN = 1_000;
const SELDOM = 10_000;
/** A path of which something was told is looked at often for so long: what was told may be the first half of it. */
const ALERT = 5_000;

interface Watched {
  readonly path: string;
  readonly folder: Folder | undefined;
  namespace: string | undefined;
  /** When it changed last; it is told again a second later, whatever happens meanwhile. */
  since: number;
  /** It is looked at often until then. */
  alert: number;
  /** Nothing tells where it leads to. */
  silent: boolean;
  /** How it is looked at no more: seldom, often. */
  readonly leave: () => void;
  relax: (() => void) | undefined;
}

export class NamespaceWatch {
  readonly #onChange: (path: string) => void;
  readonly #at: (path: string) => string | undefined;
  readonly #watched = new Map<string, Watched>();
  readonly #folders = new Map<string, Folder>();
  readonly #often = new Rounds(OFTEN);
  readonly #seldom = new Rounds(SELDOM);
  #mounts: Mounts | undefined;
  readonly #leave: (() => void)[] = [];

  /** `onChange` is told the path; `at` says what it leads to now. */
  constructor(onChange: (path: string) => void, at = namespaceAt) {
    this.#onChange = onChange;
    this.#at = at;
  }

  add(path: string): void {
    const there = this.#watched.get(path);
    if (there !== undefined) {
      Object.assign(there, { namespace: this.#at(path), since: Number.NEGATIVE_INFINITY });
      return;
    }
    if (this.#watched.size === 0) this.#begin();
    const watched: Watched = {
      path,
      folder: this.#folder(path),
      namespace: this.#at(path),
      since: Number.NEGATIVE_INFINITY,
      alert: 0,
      silent: isSilent(path),
      leave: this.#seldom.add(() => this.#look(watched)),
      relax: undefined,
    };
    this.#watched.set(path, watched);
    this.#alert(watched);
  }

  remove(path: string): void {
    const watched = this.#watched.get(path);
    if (watched === undefined) return;
    this.#watched.delete(path);
    watched.leave();
    watched.relax?.();
    watched.folder?.remove(path);
    if (watched.folder?.empty) {
      watched.folder.close();
      this.#folders.delete(dirname(path));
    }
    if (this.#watched.size === 0) this.close();
  }

  close(): void {
    for (const { leave, relax } of this.#watched.values()) {
      leave();
      relax?.();
    }
    for (const folder of this.#folders.values()) folder.close();
    for (const leave of this.#leave.splice(0)) leave();
    this.#watched.clear();
    this.#folders.clear();
    this.#mounts?.close();
    this.#mounts = undefined;
  }

  #begin(): void {
    this.#mounts = mounts();
    this.#leave.push(
      this.#often.add(() => {
        if (this.#mounts?.changed() ?? true) for (const watched of this.#watched.values()) this.#look(watched);
      }),
      this.#seldom.add(() => {
        for (const folder of this.#folders.values()) folder.check();
      }),
    );
  }

  /** Nothing is told of what is in /proc. */
  #folder(path: string): Folder | undefined {
    const name = dirname(path);
    if (name.startsWith("/proc/")) return undefined;
    const folder = this.#folders.get(name) ?? new Folder(name, (paths) => this.#told(paths));
    this.#folders.set(name, folder);
    folder.add(path);
    return folder;
  }

  #told(paths: Iterable<string>): void {
    for (const path of paths) {
      const watched = this.#watched.get(path);
      if (watched === undefined) continue;
      this.#alert(watched);
      this.#look(watched);
    }
  }

  #alert(watched: Watched): void {
    watched.alert = performance.now() + ALERT;
    watched.relax ??= this.#often.add(() => {
      this.#look(watched);
      if (watched.silent || !watched.folder?.heard || performance.now() < watched.alert) return;
      watched.relax?.();
      watched.relax = undefined;
    });
  }

  /** Compares what it leads to with what it led to. */
  #look(watched: Watched): void {
    const time = performance.now();
    if (time - watched.since < OFTEN) return;
    const namespace = this.#at(watched.path);
    if (namespace === watched.namespace) return;
    watched.namespace = namespace;
    watched.since = time;
    watched.silent = isSilent(watched.path);
    this.#alert(watched);
    this.#onChange(watched.path);
  }
}

/** Without it, anything may have been mounted at any time. */
function mounts(): Mounts | undefined {
  try {
    return new Mounts();
  } catch {
    return undefined;
  }
}

/** A link leads elsewhere when something happens there. What is not there may be made in whatever way. */
function isSilent(path: string): boolean {
  try {
    return realpathSync.native(dirname(path)).startsWith("/proc/") || lstatSync(path).isSymbolicLink();
  } catch {
    return true;
  }
}
