/**
 * Namespaces come and go under us: a path that leads to another one, or to none, is noticed within a moment. Whoever owns a folder
 * may make thousands of changes a second in it, or have a path flap; that costs us a look every moment and no more.
 */
import { type FSWatcher, statSync, watch } from "node:fs";
import { dirname } from "node:path";

/**
 * Which namespace a path leads to: device and inode of nsfs; undefined if to none, or to none that we may look at. `ip netns add`
 * makes a file first and mounts the namespace on it then.
 */
export function namespaceAt(path: string): string | undefined {
  try {
    const at = statSync(path, { throwIfNoEntry: false }); // all are looked at each second: no exception, no bigint
    nsfs ??= statSync("/proc/self/ns/net").dev;
    return at?.dev === nsfs ? `${at.dev}:${at.ino}` : undefined;
  } catch {
    return undefined; // whoever enters it says why
  }
}

/** The device that all namespaces are on. */
let nsfs: number | undefined;

/** Looks this often where the file system tells nothing: /proc. Milliseconds. */
const LOOK_EVERY = 1_000;
/** A folder that has told of a change is deaf for so long: its next ones are seen together. */
const MOMENT = 50;

interface Seen {
  readonly namespace: string | undefined;
  /** When it changed last; it is told again a second later, whatever happens meanwhile. */
  readonly since: number;
}

export class NamespaceWatch {
  readonly #onChange: (path: string) => void;
  readonly #seen = new Map<string, Seen>();
  readonly #folders = new Map<string, Folder>();
  #timer: NodeJS.Timeout | undefined;

  /** `onChange` is told the path; `namespaceAt` says what it leads to now. */
  constructor(onChange: (path: string) => void) {
    this.#onChange = onChange;
  }

  add(path: string): void {
    this.#seen.set(path, { namespace: namespaceAt(path), since: Number.NEGATIVE_INFINITY });
    this.#timer ??= setInterval(() => this.check(), LOOK_EVERY).unref();
    const name = dirname(path);
    if (name.startsWith("/proc/")) return;
    let folder = this.#folders.get(name);
    if (folder === undefined) {
      folder = new Folder(name, (paths) => this.#check(paths));
      this.#folders.set(name, folder);
    }
    folder.paths.add(path);
  }

  remove(path: string): void {
    this.#seen.delete(path);
    const name = dirname(path);
    const folder = this.#folders.get(name);
    folder?.paths.delete(path);
    if (folder?.paths.size === 0) {
      folder.close();
      this.#folders.delete(name);
    }
    if (this.#seen.size === 0) this.close();
  }

  /** Compares what each path leads to with what it led to. */
  check(): void {
    this.#check(this.#seen.keys());
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const folder of this.#folders.values()) folder.close();
    this.#folders.clear();
    this.#seen.clear();
  }

  #check(paths: Iterable<string>): void {
    const time = performance.now();
    for (const path of paths) {
      const before = this.#seen.get(path);
      if (before === undefined || time - before.since < LOOK_EVERY) continue;
      const namespace = namespaceAt(path);
      if (namespace === before.namespace) continue;
      this.#seen.set(path, { namespace, since: time });
      this.#onChange(path);
    }
  }
}

/** Best effort: the timer sees everything, this sees it sooner. */
class Folder {
  /** Those in it that matter. */
  readonly paths = new Set<string>();
  readonly #name: string;
  readonly #changed: (paths: ReadonlySet<string>) => void;
  #watcher: FSWatcher | undefined;
  #deaf: NodeJS.Timeout | undefined;

  constructor(name: string, changed: (paths: ReadonlySet<string>) => void) {
    this.#name = name;
    this.#changed = changed;
    this.#listen();
  }

  close(): void {
    clearTimeout(this.#deaf);
    this.#watcher?.close();
  }

  #listen(): void {
    try {
      this.#watcher = watch(this.#name, { persistent: false }, () => this.#heard()).on("error", () => {});
    } catch {} // it is not there
  }

  /** Nothing is heard while nobody listens, so there is a look afterwards, too. */
  #heard(): void {
    this.#watcher?.close();
    this.#changed(this.paths);
    this.#deaf = setTimeout(() => {
      this.#listen();
      this.#changed(this.paths);
    }, MOMENT).unref();
  }
}
