/** Namespaces come and go under us: a path that leads to another one, or to none, is noticed within a moment. */
import { type FSWatcher, statSync, watch } from "node:fs";
import { dirname } from "node:path";

/** Which namespace a path leads to: device and inode of nsfs; undefined if to none, or to none that we may look at. */
export function namespaceAt(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined; // whoever enters it says why
  }
}

/** Looks this often where the file system tells nothing: /proc. Milliseconds. */
const LOOK_EVERY = 1_000;

export class NamespaceWatch {
  readonly #onChange: (path: string) => void;
  readonly #seen = new Map<string, string | undefined>();
  readonly #folders = new Map<string, FSWatcher | undefined>();
  #timer: NodeJS.Timeout | undefined;

  /** `onChange` is told the path; `namespaceAt` says what it leads to now. */
  constructor(onChange: (path: string) => void) {
    this.#onChange = onChange;
  }

  add(path: string): void {
    this.#seen.set(path, namespaceAt(path));
    this.#timer ??= setInterval(() => this.check(), LOOK_EVERY).unref();
    const folder = dirname(path);
    if (this.#folders.has(folder) || folder.startsWith("/proc/")) return;
    this.#folders.set(
      folder,
      watchFolder(folder, () => this.check()),
    );
  }

  remove(path: string): void {
    this.#seen.delete(path);
    if (this.#seen.size === 0) this.close();
  }

  /** Compares what each path leads to with what it led to. */
  check(): void {
    for (const [path, before] of this.#seen) {
      const now = namespaceAt(path);
      if (now === before) continue;
      this.#seen.set(path, now);
      this.#onChange(path);
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const watcher of this.#folders.values()) watcher?.close();
    this.#folders.clear();
    this.#seen.clear();
  }
}

/** Best effort: the timer sees everything, this sees it sooner. */
function watchFolder(folder: string, changed: () => void): FSWatcher | undefined {
  try {
    return watch(folder, { persistent: false }, changed).on("error", () => {});
  } catch {
    return undefined;
  }
}
