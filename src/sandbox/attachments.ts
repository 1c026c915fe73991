/**
 * Every sandbox's sockets and resolv.conf, kept as the registry says, again when a namespace comes back. A sandbox whose namespace
 * or file is slow, gone or hostile has a problem, and nobody else has.
 */

import type { Notice } from "../model/notice.ts";
import type { Found, Sandbox, SandboxId } from "../model/types.ts";
import type { StateDir } from "../os/state-dir.ts";
import { type ResolvConfOptions, restoreResolvConf, writeResolvConf } from "../resolv-conf/rewrite.ts";
import type { Bound, DataPlane } from "../server/data-plane.ts";
import { Retries } from "./retries.ts";
import { Turns } from "./turns.ts";
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
  /** Why no namespace can be entered here, if so. */
  readonly noNamespaces?: string | undefined;
  readonly onNotice: Notice;
}

/** Sandboxes that are attached or let go at a time: most of that is waiting for tools. */
const AT_A_TIME = 32;

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
  /** Why a sandbox is not attached though it should be, or its file is not as it should be. */
  readonly #problems = new Map<SandboxId, Error>();
  readonly #fileProblems = new Map<SandboxId, Error>();
  /** In turn for each sandbox and for each namespace. */
  readonly #turns = new Turns(AT_A_TIME);
  readonly #retries = new Retries();
  #closed = false;
  /** Namespaces where something of a sandbox is, was, or will be. */
  readonly #places = new Map<SandboxId, Set<string>>();
  readonly #watch = new NamespaceWatch((path) => this.#namespaceChanged(path));

  constructor(options: AttachmentsOptions) {
    this.#options = options;
  }

  /** Wires the sandbox as it is now, or takes everything back (undefined). In the background: see `ready`. */
  follow(id: SandboxId, sandbox: Sandbox | undefined): void {
    if (this.#closed) return;
    const before = this.#wanted.get(id);
    if (sandbox === undefined) this.#wanted.delete(id);
    else this.#wanted.set(id, sandbox);
    if (sandbox?.netns !== undefined) this.#watch.add(sandbox.netns);
    if (before?.netns !== undefined && before.netns !== sandbox?.netns && !this.#uses(before.netns))
      this.#watch.remove(before.netns);
    this.#retries.forget(id);
    this.#enqueue(id);
  }

  /**
   * Resolves when all that was asked for so far has been tried. Rejects with what went wrong in this process's own namespace,
   * once; what goes wrong in another namespace is noticed, and tried again: after a while, and when something else is there.
   */
  async ready(): Promise<void> {
    await this.#turns.settled();
    for (const [id, problem] of this.#problems) {
      if (this.#wanted.get(id)?.netns !== undefined) continue;
      this.#problems.delete(id);
      throw problem;
    }
  }

  bound(id: SandboxId): readonly Bound[] {
    return this.#attached.get(id)?.bound ?? [];
  }

  /** Sandboxes that should be attached and are not, or whose resolv.conf may not be rewritten, and why. */
  get problems(): ReadonlyMap<SandboxId, Error> {
    return new Map([...this.#fileProblems, ...this.#problems]);
  }

  /** Stops following. With `restore`, files of sandboxes are what they were before. */
  async close({ restore }: { readonly restore: boolean }): Promise<void> {
    this.#closed = true;
    this.#watch.close();
    this.#retries.close();
    await this.#turns.settled();
    if (!restore) return;
    for (const { resolvConf } of this.#attached.values())
      if (resolvConf) this.#try(() => restoreResolvConf(resolvConf.file, this.#options.stateDir));
  }

  #uses(netns: string): boolean {
    return [...this.#wanted.values()].some((s) => s.netns === netns);
  }

  #namespaceChanged(path: string): void {
    for (const [id, { netns }] of this.#wanted) {
      if (netns !== path) continue;
      this.#retries.forget(id);
      this.#enqueue(id);
    }
  }

  #enqueue(id: SandboxId): void {
    const wanted = this.#wanted.get(id);
    const places = this.#places.get(id) ?? new Set();
    if (wanted !== undefined) this.#places.set(id, places.add(placeOf(wanted)));
    this.#turns.add([`sandbox ${id}`, ...places], async () => {
      if (this.#wanted.get(id) !== wanted) return; // the one that follows has its turn where that is
      try {
        await this.#reconcile(id, wanted);
        this.#problems.delete(id);
        this.#retries.forget(id);
      } catch (error) {
        this.#failed(id, reason(error));
      }
      if (this.#wanted.get(id) !== wanted) return;
      if (wanted === undefined) this.#places.delete(id);
      else this.#places.set(id, new Set([placeOf(wanted)]));
    });
  }

  /** Makes the sandbox's wiring what is wanted now, whatever it was. Rejects with why it can't be. */
  async #reconcile(id: SandboxId, wanted: Sandbox | undefined): Promise<void> {
    const attached = this.#attached.get(id);
    const namespace = wanted?.netns === undefined ? undefined : namespaceAt(wanted.netns);
    if (attached !== undefined) {
      if (wanted !== undefined && namespace === attached.namespace && same(attached.sandbox, wanted, SOCKETS))
        return this.#rewrite(attached, wanted);
      await this.#detach(id, attached).catch((error) =>
        this.#options.onNotice(`sandbox ${id}: ${reason(error).message}`),
      );
      if (wanted?.netns !== undefined && namespace === undefined && wanted.netns === attached.sandbox.netns)
        throw new Error(`its namespace ${wanted.netns} is gone; nothing listens there any more`);
    }
    if (wanted !== undefined) await this.#attach(wanted, namespace);
  }

  /** What goes wrong in this process's own namespace is for whoever waits until all is ready. */
  #failed(id: SandboxId, problem: Error): void {
    this.#problems.set(id, problem);
    const { netns } = this.#wanted.get(id) ?? {};
    if (netns === undefined) return;
    const waits = this.#options.noNamespaces !== undefined || namespaceAt(netns) === undefined;
    const news = waits || this.#retries.failed(id, problem.message, () => this.#enqueue(id));
    if (news) this.#options.onNotice(`sandbox ${id} is not attached: ${problem.message}`);
  }

  async #attach(sandbox: Sandbox, namespace: string | undefined): Promise<void> {
    const { id, listen, netns, bind } = sandbox;
    const { plane, noNamespaces, onAttached } = this.#options;
    if (netns !== undefined && noNamespaces !== undefined)
      throw new Error(`a network namespace can't be entered here: ${noNamespaces}`);
    const place = { ...(netns !== undefined && { netns }), ...(bind === "redirect" && { redirect: true }) };
    const bound = await plane.attach(id, listen, place);
    const resolvConf = resolvConfOf(sandbox);
    this.#attached.set(id, { sandbox, bound, resolvConf, namespace });
    onAttached(sandbox);
    this.#write(sandbox, resolvConf);
  }

  async #detach(id: SandboxId, { resolvConf }: Attachment): Promise<void> {
    this.#attached.delete(id);
    this.#restore(id, resolvConf);
    try {
      await this.#options.onDetach(id);
    } finally {
      await this.#options.plane.detach(id);
    }
  }

  /** What the file says has changed, if anything: the sockets stay, and with them what waits in them. */
  #rewrite(attached: Attachment, sandbox: Sandbox): void {
    const resolvConf = resolvConfOf(sandbox);
    this.#attached.set(sandbox.id, { ...attached, sandbox, resolvConf });
    if (same(attached.sandbox, sandbox, FILE)) return;
    this.#restore(sandbox.id, attached.resolvConf);
    this.#write(sandbox, resolvConf);
  }

  /** What may not be rewritten stays as it is; the sandbox is answered all the same, from the node's upstreams. */
  #write({ id }: Sandbox, resolvConf: ResolvConfOptions | undefined): void {
    this.#fileProblems.delete(id);
    if (resolvConf === undefined) return;
    const { stateDir, onFound, onNotice } = this.#options;
    try {
      const { found, problem } = writeResolvConf(resolvConf, stateDir);
      if (problem !== undefined) onNotice(`sandbox ${id}: ${problem}`);
      onFound(id, found);
    } catch (error) {
      const problem = reason(error);
      this.#fileProblems.set(id, problem);
      onNotice(`sandbox ${id}: ${problem.message}`);
      onFound(id, undefined);
    }
  }

  #restore(id: SandboxId, resolvConf: ResolvConfOptions | undefined): void {
    this.#fileProblems.delete(id);
    if (resolvConf === undefined) return;
    this.#try(() => restoreResolvConf(resolvConf.file, this.#options.stateDir));
    this.#options.onFound(id, undefined);
  }

  #try(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#options.onNotice(reason(error).message);
    }
  }
}

const reason = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

/** Sandboxes in one namespace may share what listens there. */
const placeOf = ({ netns }: Sandbox): string => `in ${netns ?? "this process's namespace"}`;

function resolvConfOf({ resolvConf: file, listen, search, ndots, upstreams }: Sandbox): ResolvConfOptions | undefined {
  const [address, ...own] = listen.filter((l) => l.port === 53).map((l) => l.address);
  return file === undefined || address === undefined ? undefined : { file, address, own, search, ndots, upstreams };
}

/** What a sandbox's sockets depend on, and what its resolv.conf does. */
const SOCKETS = ["listen", "netns", "bind"] as const;
const FILE = ["resolvConf", "search", "ndots", "upstreams"] as const;

const same = (a: Sandbox, b: Sandbox, keys: readonly (keyof Sandbox)[]): boolean =>
  keys.every((key) => JSON.stringify(a[key]) === JSON.stringify(b[key]));
