/**
 * The resolv.conf of every sandbox: rewritten, and put back in the end. A sandbox whose file can't be rewritten is answered all the
 * same, from the node's upstreams; that is its problem, and tried again.
 */
import type { Notice } from "../model/notice.ts";
import type { Found, Sandbox, SandboxId } from "../model/types.ts";
import type { StateDir } from "../os/state-dir.ts";
import { type ResolvConfOptions, restoreResolvConf, writeResolvConf } from "../resolv-conf/rewrite.ts";
import { Retries } from "./retries.ts";

export interface FilesOptions {
  /** Where files that were rewritten are kept as they were. */
  readonly stateDir: StateDir;
  /** A sandbox's old resolv.conf said this (undefined: not any more). */
  readonly onFound: (sandbox: SandboxId, found: Found | undefined) => void;
  /** A sandbox's file has a problem, another one, or none any more. */
  readonly onProblem: (sandbox: SandboxId) => void;
  readonly onNotice: Notice;
}

export class Files {
  readonly #options: FilesOptions;
  readonly #written = new Map<SandboxId, ResolvConfOptions>();
  readonly #problems = new Map<SandboxId, Error>();
  readonly #retries = new Retries();

  constructor(options: FilesOptions) {
    this.#options = options;
  }

  /** Sandboxes whose file is not as it should be, and why. */
  get problems(): ReadonlyMap<SandboxId, Error> {
    return this.#problems;
  }

  /** Makes the sandbox's file what it should be, another one than before if need be. */
  write(sandbox: Sandbox): void {
    const { id } = sandbox;
    const before = this.#written.get(id);
    const wanted = optionsOf(sandbox);
    if (JSON.stringify(before) === JSON.stringify(wanted)) return;
    this.restore(id);
    if (wanted === undefined) return;
    this.#written.set(id, wanted);
    this.#rewrite(id, wanted);
  }

  /** It is what it was before us; if not, that is said. */
  restore(id: SandboxId): void {
    const written = this.#written.get(id);
    if (written === undefined) return;
    this.#written.delete(id);
    this.#retries.forget(id);
    this.#well(id);
    this.#restore(written);
    this.#options.onFound(id, undefined);
  }

  /** Nothing is tried again. With `restore`, all files are what they were before us. */
  close({ restore }: { readonly restore: boolean }): void {
    this.#retries.close();
    if (restore) for (const written of this.#written.values()) this.#restore(written);
  }

  #rewrite(id: SandboxId, wanted: ResolvConfOptions): void {
    const { stateDir, onFound, onProblem, onNotice } = this.#options;
    try {
      const { found, problem } = writeResolvConf(wanted, stateDir);
      this.#retries.forget(id);
      this.#well(id);
      if (problem !== undefined) onNotice(`sandbox ${id}: ${problem}`);
      onFound(id, found);
    } catch (error) {
      const problem = reason(error);
      this.#problems.set(id, problem);
      const news = this.#retries.failed(id, problem.message, () => this.#rewrite(id, wanted));
      if (!news) return;
      onNotice(`sandbox ${id}: ${problem.message}`);
      onFound(id, undefined);
      onProblem(id);
    }
  }

  #well(id: SandboxId): void {
    if (this.#problems.delete(id)) this.#options.onProblem(id);
  }

  #restore({ file }: ResolvConfOptions): void {
    try {
      restoreResolvConf(file, this.#options.stateDir);
    } catch (error) {
      this.#options.onNotice(reason(error).message);
    }
  }
}

const reason = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

/** Missing: it has no file, or nothing that a file could name (resolv.conf knows port 53 only). */
function optionsOf({ resolvConf: file, listen, search, ndots, upstreams }: Sandbox): ResolvConfOptions | undefined {
  const [address, ...own] = listen.filter((l) => l.port === 53).map((l) => l.address);
  return file === undefined || address === undefined ? undefined : { file, address, own, search, ndots, upstreams };
}
