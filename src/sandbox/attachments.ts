/** Every sandbox's sockets and resolv.conf, kept as the registry says: one after the other, again when a namespace comes back. */

import type { Notice } from "../model/notice.ts";
import type { Found, Sandbox, SandboxId } from "../model/types.ts";
import type { StateDir } from "../os/state-dir.ts";
import type { Bound, DataPlane } from "../server/data-plane.ts";
import { type ResolvConfOptions, restoreResolvConf, writeResolvConf } from "./resolv-conf.ts";
import { NamespaceWatch, namespaceAt } from "./watch.ts";

export interface AttachmentsOptions {
  readonly plane: DataPlane;
  /** A sandbox's old resolv.conf said this (undefined: not any more). */
  readonly onFound: (sandbox: SandboxId, found: Found | undefined) => void;
  /** It is wired in its namespace; or is about to be let go. */
  readonly onAttached: (sandbox: Sandbox) => void;
  readonly onDetach: (sandbox: SandboxId) => Promise<void>;
  /** Where files that were rewritten are kept as they were. */
  readonly stateDir: StateDir;
  readonly onNotice: Notice;
}

/** How a sandbox is wired now. */
interface Attachment {
  readonly sandbox: Sandbox;
  readonly bound: readonly Bound[];
  readonly resolvConf: ResolvConfOptions | undefined;
  /** The namespace that it is attached in. */
  readonly namespace: string | undefined;
}

export class Attachments {
  readonly #options: AttachmentsOptions;
  readonly #wanted = new Map<SandboxId, Sandbox>();
  readonly #attached = new Map<SandboxId, Attachment>();
  /** Why a sandbox is not attached though it should be. */
  readonly #problems = new Map<SandboxId, Error>();
  readonly #watch = new NamespaceWatch((path) => this.#namespaceChanged(path));
  #queue: Promise<void> = Promise.resolve();

  constructor(options: AttachmentsOptions) {
    this.#options = options;
  }

  /** Wires the sandbox as it is now, or takes everything back (undefined). In the background: see `ready`. */
  follow(id: SandboxId, sandbox: Sandbox | undefined): void {
    const before = this.#wanted.get(id);
    if (sandbox === undefined) this.#wanted.delete(id);
    else this.#wanted.set(id, sandbox);
    if (sandbox?.netns !== undefined) this.#watch.add(sandbox.netns);
    if (before?.netns !== undefined && before.netns !== sandbox?.netns && !this.#uses(before.netns))
      this.#watch.remove(before.netns);
    this.#enqueue(id);
  }

  /**
   * Resolves when all that was asked for so far has been tried. Rejects with what went wrong in this process's own namespace,
   * once; a sandbox whose namespace can't be entered is noticed, and tried again when something else is there.
   */
  async ready(): Promise<void> {
    await this.#queue;
    for (const [id, problem] of this.#problems) {
      if (this.#wanted.get(id)?.netns !== undefined) continue;
      this.#problems.delete(id);
      throw problem;
    }
  }

  bound(id: SandboxId): readonly Bound[] {
    return this.#attached.get(id)?.bound ?? [];
  }

  /** Sandboxes that should be attached and are not, and why. */
  get problems(): ReadonlyMap<SandboxId, Error> {
    return this.#problems;
  }

  /** Stops following. With `restore`, files of sandboxes are what they were before. */
  async close({ restore }: { readonly restore: boolean }): Promise<void> {
    this.#watch.close();
    await this.#queue;
    if (!restore) return;
    for (const { resolvConf } of this.#attached.values())
      if (resolvConf) this.#try(() => restoreResolvConf(resolvConf));
  }

  #uses(netns: string): boolean {
    return [...this.#wanted.values()].some((s) => s.netns === netns);
  }

  #namespaceChanged(path: string): void {
    for (const [id, { netns }] of this.#wanted) if (netns === path) this.#enqueue(id);
  }

  #enqueue(id: SandboxId): void {
    this.#queue = this.#queue.then(() => this.#reconcile(id));
  }

  /** Makes the sandbox's wiring what is wanted now, whatever it was. Never rejects. */
  async #reconcile(id: SandboxId): Promise<void> {
    const wanted = this.#wanted.get(id);
    const attached = this.#attached.get(id);
    const namespace = wanted?.netns === undefined ? undefined : namespaceAt(wanted.netns);
    if (attached !== undefined) {
      if (wanted !== undefined && namespace === attached.namespace && same(attached.sandbox, wanted, SOCKETS))
        return this.#rewrite(attached, wanted);
      await this.#detach(id, attached);
      if (attached.namespace !== undefined && namespace === undefined && wanted !== undefined)
        this.#options.onNotice(`sandbox ${id}: its namespace ${wanted.netns} is gone; nothing listens there any more`);
    }
    this.#problems.delete(id);
    if (wanted === undefined || (attached !== undefined && wanted.netns !== undefined && namespace === undefined))
      return;
    try {
      await this.#attach(wanted, namespace);
    } catch (error) {
      const problem = error instanceof Error ? error : new Error(String(error));
      this.#problems.set(id, problem);
      if (wanted.netns !== undefined) this.#options.onNotice(`sandbox ${id} is not attached: ${problem.message}`);
    }
  }

  async #attach(sandbox: Sandbox, namespace: string | undefined): Promise<void> {
    const { id, listen, netns, bind } = sandbox;
    const place = { ...(netns !== undefined && { netns }), ...(bind === "redirect" && { redirect: true }) };
    const bound = await this.#options.plane.attach(id, listen, place);
    const resolvConf = resolvConfOf(sandbox);
    this.#attached.set(id, { sandbox, bound, resolvConf, namespace });
    this.#options.onAttached(sandbox);
    this.#write(sandbox, resolvConf);
  }

  async #detach(id: SandboxId, { resolvConf }: Attachment): Promise<void> {
    this.#attached.delete(id);
    await this.#options.onDetach(id);
    await this.#options.plane.detach(id);
    this.#restore(id, resolvConf);
  }

  /** What the file says has changed, if anything: the sockets stay, and with them what waits in them. */
  #rewrite(attached: Attachment, sandbox: Sandbox): void {
    const resolvConf = resolvConfOf(sandbox);
    this.#attached.set(sandbox.id, { ...attached, sandbox, resolvConf });
    if (same(attached.sandbox, sandbox, FILE)) return;
    this.#restore(sandbox.id, attached.resolvConf);
    this.#write(sandbox, resolvConf);
  }

  #write({ id }: Sandbox, resolvConf: ResolvConfOptions | undefined): void {
    if (resolvConf === undefined) return;
    this.#try(() => {
      const { found, problem } = writeResolvConf(resolvConf);
      if (problem !== undefined) this.#options.onNotice(`sandbox ${id}: ${problem}`);
      this.#options.onFound(id, found);
    });
  }

  #restore(id: SandboxId, resolvConf: ResolvConfOptions | undefined): void {
    if (resolvConf === undefined) return;
    this.#try(() => restoreResolvConf(resolvConf));
    this.#options.onFound(id, undefined);
  }

  #try(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#options.onNotice(error instanceof Error ? error.message : String(error));
    }
  }
}

function resolvConfOf({ resolvConf, listen, search, ndots, upstreams }: Sandbox): ResolvConfOptions | undefined {
  const address = listen.find((l) => l.port === 53)?.address;
  if (resolvConf === undefined || address === undefined) return undefined;
  return { path: resolvConf, address, search, ndots, upstreams };
}

/** What a sandbox's sockets depend on, and what its resolv.conf does. */
const SOCKETS = ["listen", "netns", "bind"] as const;
const FILE = ["resolvConf", "search", "ndots", "upstreams"] as const;

const same = (a: Sandbox, b: Sandbox, keys: readonly (keyof Sandbox)[]): boolean =>
  keys.every((key) => JSON.stringify(a[key]) === JSON.stringify(b[key]));
