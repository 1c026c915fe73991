/**
 * What a file was before we rewrote it, and what we wrote: in the state directory, out of everybody's reach. What lies beside the
 * file is never believed to be ours.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { StateDir } from "../os/state-dir.ts";

export interface Kept {
  /** Null: there was no file. */
  readonly before: string | null;
  /** The last two texts that we wrote: if we end between record and file, the file has the older one. */
  readonly written: readonly string[];
}

/** As it is on disk. */
interface OnDisk extends Kept {
  readonly path: string;
  /** Of the machine's boot and the file's directory. */
  readonly life: string;
}

export class ResolvConfRecord {
  readonly #stateDir: StateDir;
  readonly #path: string;
  readonly #name: string;

  /** Of the file at this path. */
  constructor(stateDir: StateDir, path: string) {
    this.#stateDir = stateDir;
    this.#path = path;
    this.#name = `resolv-conf-${createHash("sha256").update(path).digest("hex").slice(0, 32)}`;
  }

  /**
   * `stale`: from before the machine was started, or of another directory. What is there then is not ours edited, but a new file:
   * namespaces, and what agents write for them, do not outlive that. Missing `folder`: it does not matter.
   */
  read(folder?: string): (Kept & { readonly stale: boolean }) | undefined {
    const found = this.#stateDir.read(this.#name);
    if (!isRecord(found) || found.path !== this.#path) return undefined;
    const { before, written, life } = found;
    return { before, written, stale: folder !== undefined && life !== lifeOf(folder) };
  }

  write({ before, written }: Kept, folder: string): void {
    const onDisk: OnDisk = { path: this.#path, life: lifeOf(folder), before, written };
    this.#stateDir.write(this.#name, onDisk);
  }

  forget(): void {
    this.#stateDir.remove(this.#name);
  }
}

function isRecord(found: unknown): found is OnDisk {
  const { path, life, before, written } = (found ?? {}) as Partial<Record<keyof OnDisk, unknown>>;
  const texts: readonly unknown[] = [path, life, before ?? "", ...(Array.isArray(written) ? written : [undefined])];
  return texts.every((text) => typeof text === "string");
}

const lifeOf = (folder: string): string =>
  `${readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim()} ${folder}`;
