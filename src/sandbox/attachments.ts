/**
 * Every sandbox's sockets and resolv.conf, kept as the registry says, again when a namespace comes back. A sandbox whose namespace
 * or file is slow, gone or hostile has a problem, and nobody else has.
 */
import type { Sandbox, SandboxId } from "../model/types.ts";
import type { Bound, DataPlane } from "../server/data-plane.ts";
import { Files, type FilesOptions } from "./files.ts";
import { Retries } from "./retries.ts";
import { Occupied, Tenancy } from "./tenancy.ts";
import { Turns } from "./turns.ts";
import { NamespaceWatch, namespaceAt } from "./watch.ts";

export interface AttachmentsOptions extends FilesOptions {
  readonly plane: DataPlane;
  /** It is wired in its namespace (which all that are in it name by the same path here); or is about to be let go. */
  readonly onAttached: (sandbox: Sandbox) => void;
  readonly onDetach: (sandbox: SandboxId) => Promise<void>;
  /** Why no namespace can be entered here, if so. */
  readonly noNamespaces?: string | undefined;
  /** Milliseconds that another process may take to leave a namespace: the one before us, in a restart. Default 0. */
  readonly patience?: number;
}

/** Sandboxes that are attached or let go at a time: most of that is waiting for tools. */
const AT_A_TIME = 32;
/** A namespace that another process has is looked at this often, in milliseconds: that costs one system call, and it may end any time. */
const LOOK_AGAIN = 1_000;

/** How a sandbox is wired now. */
interface Attachment {
  readonly sandbox: Sandbox;
  readonly bound: readonly Bound[];
  /** The namespace that it is attached in, and the path by which all in there go. */
  readonly namespace: string | undefined;
  readonly path: string | undefined;
}

export class Attachments {
  readonly #options: AttachmentsOptions;
  readonly #wanted = new Map<SandboxId, Sandbox>();
  readonly #attached = new Map<SandboxId, Attachment>();
  /** Why a sandbox is not attached though it should be. */
  readonly #problems = new Map<SandboxId, Error>();
  readonly #files: Files;
  readonly #tenancy: Tenancy;
  /** In turn for each sandbox and for each namespace. */
  readonly #turns = new Turns(AT_A_TIME);
  readonly #retries = new Retries();
  #closed = false;
  /** Namespaces where something of a sandbox is, was, or will be. */
  readonly #places = new Map<SandboxId, Set<string>>();
  readonly #watch = new NamespaceWatch((path) => this.#namespaceChanged(path));

  constructor(options: AttachmentsOptions) {
    this.#options = options;
    this.#files = new Files(options);
    this.#tenancy = new Tenancy(options);
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
   * Resolves when all that was asked for so far has been tried. Rejects with what is wrong in this process's own namespace, if
   * anything is; what is wrong elsewhere is noticed. All of it is tried again: after a while, and when another namespace is there.
   */
  async ready(): Promise<void> {
    await this.#turns.settled();
    for (const [id, problem] of this.#problems) if (this.#wanted.get(id)?.netns === undefined) throw problem;
  }

  /** Undefined: there is no such sandbox. Empty: it does not listen (yet). */
  bound(id: SandboxId): readonly Bound[] | undefined {
    return this.#attached.get(id)?.bound ?? (this.#wanted.has(id) ? [] : undefined);
  }

  /** Sandboxes that should be attached and are not, or whose resolv.conf could not be rewritten, and why. */
  get problems(): ReadonlyMap<SandboxId, Error> {
    return new Map([...this.#files.problems, ...this.#problems]);
  }

  problemOf(id: SandboxId): Error | undefined {
    return this.#problems.get(id) ?? this.#files.problems.get(id);
  }

  /** Stops following. With `restore`, files of sandboxes are what they were before. */
  async close({ restore }: { readonly restore: boolean }): Promise<void> {
    this.#closed = true;
    this.#watch.close();
    this.#retries.close();
    this.#tenancy.stop();
    await this.#turns.settled();
    this.#files.close({ restore });
  }

  /** Nothing of ours is in any namespace any more: another process may come. */
  leave(): void {
    this.#tenancy.close();
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
    if (wanted !== undefined) this.#places.set(id, new Set([...places, ...placesOf(wanted)]));
    this.#turns.add([`sandbox ${id}`, ...(this.#places.get(id) ?? [])], async () => {
      if (this.#wanted.get(id) !== wanted) return; // the one that follows has its turn where that is
      try {
        await this.#reconcile(id, wanted);
        this.#retries.forget(id);
        if (this.#problems.delete(id)) this.#options.onProblem(id);
      } catch (error) {
        this.#failed(id, reason(error));
      }
      if (this.#wanted.get(id) !== wanted) return;
      if (wanted === undefined) this.#places.delete(id);
      else this.#places.set(id, new Set(placesOf(wanted)));
    });
  }

  /** Makes the sandbox's wiring what is wanted now, whatever it was. Rejects with why it can't be. */
  async #reconcile(id: SandboxId, wanted: Sandbox | undefined): Promise<void> {
    const attached = this.#attached.get(id);
    const namespace = wanted?.netns === undefined ? undefined : namespaceAt(wanted.netns);
    if (attached !== undefined) {
      if (wanted !== undefined && this.#stays(attached, wanted, namespace)) {
        this.#attached.set(id, { ...attached, sandbox: wanted });
        this.#files.write(wanted); // the sockets stay, and with them what waits in them
        return;
      }
      const remains =
        wanted?.netns === attached.sandbox.netns && namespace !== undefined && namespace === attached.namespace;
      await this.#detach(id, remains).catch((error) =>
        this.#options.onNotice(`sandbox ${id}: ${reason(error).message}`),
      );
      if (wanted?.netns !== undefined && namespace === undefined && wanted.netns === attached.sandbox.netns)
        throw new Error(`its namespace ${wanted.netns} is gone; nothing listens there any more`);
    }
    if (wanted !== undefined) await this.#attach(wanted, namespace);
  }

  #stays({ sandbox, namespace, path }: Attachment, wanted: Sandbox, now: string | undefined): boolean {
    return now === namespace && path === this.#tenancy.pathOf(wanted.id) && same(sandbox, wanted);
  }

  /** What is wrong in this process's own namespace is said by `ready`. */
  #failed(id: SandboxId, problem: Error): void {
    const { onNotice, onProblem, noNamespaces } = this.#options;
    const before = this.#problems.get(id);
    this.#problems.set(id, problem);
    if (before?.message !== problem.message) onProblem(id);
    const wanted = this.#wanted.get(id);
    if (wanted === undefined) return;
    const { netns } = wanted;
    const waits = netns !== undefined && (noNamespaces !== undefined || namespaceAt(netns) === undefined);
    const longest = problem instanceof Occupied ? LOOK_AGAIN : undefined;
    const news = waits || this.#retries.failed(id, problem.message, () => this.#enqueue(id), longest);
    if (news && netns !== undefined) onNotice(`sandbox ${id} is not attached: ${problem.message}`);
  }

  async #attach(sandbox: Sandbox, namespace: string | undefined): Promise<void> {
    const { id, listen, bind } = sandbox;
    const { plane, noNamespaces, onAttached } = this.#options;
    if (sandbox.netns !== undefined && noNamespaces !== undefined)
      throw new Error(`a network namespace can't be entered here: ${noNamespaces}`);
    const entered = sandbox.netns !== undefined && namespace !== undefined;
    let netns = sandbox.netns;
    let bound: readonly Bound[];
    try {
      if (entered) netns = await this.#tenancy.enter(sandbox, sandbox.netns, namespace);
      const place = { ...(netns !== undefined && { netns }), ...(bind === "redirect" && { redirect: true }) };
      bound = await plane.attach(id, listen, place);
    } catch (error) {
      this.#left(id);
      throw error;
    }
    this.#attached.set(id, { sandbox, bound, namespace, path: entered ? netns : undefined });
    onAttached(netns === undefined ? sandbox : { ...sandbox, netns });
    this.#files.write(sandbox);
  }

  /** `remains`: it is in the same namespace the next moment, and nobody's path changes for its sake. */
  async #detach(id: SandboxId, remains: boolean): Promise<void> {
    this.#attached.delete(id);
    this.#files.restore(id);
    try {
      await this.#options.onDetach(id);
    } finally {
      await this.#options.plane.detach(id).finally(() => remains || this.#left(id));
    }
  }

  /** Who went by its path goes by another one now. */
  #left(id: SandboxId): void {
    for (const other of this.#tenancy.leave(id)) this.#enqueue(other);
  }
}

const reason = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

/** Sandboxes in one namespace may share what listens there, whatever its path. */
function placesOf({ netns }: Sandbox): string[] {
  const namespace = netns === undefined ? undefined : namespaceAt(netns);
  return [`in ${netns ?? "this process's namespace"}`, ...(namespace === undefined ? [] : [`in ${namespace}`])];
}

/** What a sandbox's sockets depend on. */
const SOCKETS = ["listen", "netns", "bind"] as const;

const same = (a: Sandbox, b: Sandbox): boolean =>
  SOCKETS.every((key) => JSON.stringify(a[key]) === JSON.stringify(b[key]));
