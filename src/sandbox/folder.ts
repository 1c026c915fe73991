/**
 * What changes in a folder is told by name, the moment it does. Whoever owns the folder may make thousands of changes a second in it:
 * then we are deaf for a while, and look at everything afterwards.
 */
import { type FSWatcher, statSync, watch } from "node:fs";
import { basename } from "node:path";

/** Milliseconds. `ip netns add` makes a file and mounts a namespace on it a little later: what was named is looked at again after so long. */
const MOMENT = 50;
/** Events in a moment that are listened to, and how long nothing is heard after more of them. */
const MOST = 64;
const DEAF = 250;

export class Folder {
  /** Those in it that matter, by their names there. */
  readonly #paths = new Map<string, string>();
  readonly #folder: string;
  readonly #changed: (paths: Iterable<string>) => void;
  #watcher: FSWatcher | undefined;
  /** Which folder it is that we listen to: another one may come to be at the same place. */
  #inode: number | undefined;
  /** Those that something was said of in this moment, and how much was said at all. */
  readonly #named = new Set<string>();
  #events = 0;
  #moment: NodeJS.Timeout | undefined;

  /** `changed` is told which of the paths something may have happened to. */
  constructor(folder: string, changed: (paths: Iterable<string>) => void) {
    this.#folder = folder;
    this.#changed = changed;
    this.#listen();
  }

  add(path: string): void {
    this.#paths.set(basename(path), path);
  }

  remove(path: string): void {
    this.#paths.delete(basename(path));
  }

  get empty(): boolean {
    return this.#paths.size === 0;
  }

  /** What changes in it is told soon. If not, it is not there, or there are too many watches. */
  get heard(): boolean {
    return this.#watcher !== undefined || this.#moment !== undefined;
  }

  /** To be called now and then: it may be there by now, or be another one, of whose place nobody has told. */
  check(): void {
    if (this.#moment !== undefined || (this.#watcher !== undefined && this.#inode === inodeOf(this.#folder))) return;
    this.#rest();
    this.#listen();
    this.#changed(this.#paths.values());
  }

  close(): void {
    clearTimeout(this.#moment);
    this.#rest();
  }

  #listen(): void {
    try {
      this.#watcher = watch(this.#folder, { persistent: false }, (_, name) => this.#hear(name)).on("error", () => {});
      this.#inode = inodeOf(this.#folder);
    } catch {} // it is not there
  }

  #rest(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #hear(name: string | null): void {
    const path = this.#paths.get(name ?? "");
    const itself = name === null || (path === undefined && name === basename(this.#folder));
    if (itself || ++this.#events > MOST) {
      this.#rest();
      this.#wait(DEAF);
      return;
    }
    if (this.#moment === undefined) this.#wait(MOMENT);
    if (path === undefined || this.#named.has(path)) return;
    this.#named.add(path);
    this.#changed([path]);
  }

  #wait(time: number): void {
    clearTimeout(this.#moment);
    this.#moment = setTimeout(() => this.#lookAgain(), time).unref();
  }

  /** Nothing is heard while nobody listens, so all are looked at then. */
  #lookAgain(): void {
    this.#moment = undefined;
    const paths = this.#watcher === undefined ? this.#paths.values() : [...this.#named];
    if (this.#watcher === undefined) this.#listen();
    this.#events = 0;
    this.#named.clear();
    this.#changed(paths);
  }
}

const inodeOf = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.ino;
