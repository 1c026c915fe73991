/**
 * When config files begin to be others. Events of their directories are a hint to look at once; looking every second beside them sees
 * what events don't: a link in the path that leads elsewhere now (Kubernetes swaps "..data"), a directory that comes back, a network file
 * system. Nothing is told as long as files still change from one look to the next.
 */
import { type FSWatcher, watch } from "node:fs";
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { filesAt, STANDARD_INPUT } from "../config/files.ts";

export interface FileWatchOptions {
  /** Milliseconds between looks. Default 1 000. */
  readonly every?: number;
  /** Milliseconds that files must have been quiet. Default 50. */
  readonly quiet?: number;
}

export class FileWatch {
  readonly #paths: readonly string[];
  readonly #changed: () => void;
  readonly #quiet: number;
  readonly #watchers: FSWatcher[] = [];
  readonly #timer: NodeJS.Timeout;
  #soon: NodeJS.Timeout | undefined;
  #looking = false;
  #closed = false;
  /** As they were when it was told last, and at the last look. */
  #told: string | undefined;
  #seen: string | undefined;

  /** `changed` is called after the first look, too: what is there then may be newer than what was read before. */
  constructor(paths: readonly string[], changed: () => void, { every = 1_000, quiet = 50 }: FileWatchOptions = {}) {
    this.#paths = paths.filter((path) => path !== STANDARD_INPUT);
    this.#changed = changed;
    this.#quiet = quiet;
    this.#timer = setInterval(() => void this.#look(), every).unref();
    for (const path of this.#paths) {
      this.#listen(path); // a directory of files
      this.#listen(dirname(path));
    }
    void this.#look();
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    clearTimeout(this.#soon);
    for (const watcher of this.#watchers) watcher.close();
  }

  /** Where no events can be had, looking has to do. */
  #listen(directory: string): void {
    try {
      const watcher = watch(directory, { persistent: false }, () => this.#lookSoon());
      watcher.on("error", () => watcher.close());
      this.#watchers.push(watcher);
    } catch {}
  }

  #lookSoon(): void {
    if (this.#closed) return;
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      void this.#look();
    }, this.#quiet).unref();
  }

  async #look(): Promise<void> {
    if (this.#looking || this.#closed) return;
    this.#looking = true;
    const now = await fingerprint(this.#paths);
    this.#looking = false;
    if (this.#closed) return;
    const quiet = now === this.#seen || this.#told === undefined;
    this.#seen = now;
    if (now === this.#told) return;
    if (quiet) {
      this.#told = now;
      this.#changed();
    } else this.#lookSoon();
  }
}

/** Another one for whatever is written, replaced, added or taken away. */
async function fingerprint(paths: readonly string[]): Promise<string> {
  const files = (await Promise.all(paths.map(filesAt))).flat();
  const stats = await Promise.all(files.map((file) => stat(file, { bigint: true }).catch(() => undefined)));
  return files
    .map((file, i) => {
      const { dev, ino, size, mtimeNs, ctimeNs } = stats[i] ?? {};
      return `${file} ${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`;
    })
    .join("\n");
}
