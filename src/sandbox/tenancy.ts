/**
 * Who answers in a namespace: one process at a time, and in this process everyone by one path. A namespace is known by its device and
 * inode, because many paths may lead to it; two who did not know of each other would redirect port 53 from each other for ever.
 */
import { setTimeout } from "node:timers/promises";
import type { Notice } from "../model/notice.ts";
import type { Listen, Sandbox, SandboxId } from "../model/types.ts";
import { type Lock, LockHeld } from "../os/lock.ts";
import type { StateDir } from "../os/state-dir.ts";

export interface TenancyOptions {
  /** Where the locks are: processes with different ones do not see each other. */
  readonly stateDir: StateDir;
  /** Milliseconds that an owner which is just ending may take to let go. Default 0. */
  readonly patience?: number;
  readonly onNotice: Notice;
}

/** Another process answers in the namespace. It may end any time. */
export class Occupied extends Error {
  constructor(netns: string, stateDir: string, pid: number | undefined) {
    const who = pid === undefined ? "another process" : `process ${pid}`;
    super(
      `${who} with the same state directory (${stateDir}) answers in ${netns}; there can be one at a time: end that first`,
    );
    this.name = "Occupied";
  }
}

interface Tenants {
  /** The path by which everybody in here goes. */
  path: string;
  readonly sandboxes: Map<SandboxId, Sandbox>;
  /** Missing: there could be none, and that was said. */
  readonly lock: Lock | undefined;
}

export class Tenancy {
  readonly #options: TenancyOptions;
  /** By namespace: device and inode. */
  readonly #namespaces = new Map<string, Tenants>();
  /** Those that wait for a lock. */
  readonly #opening = new Map<string, Promise<Tenants>>();
  readonly #namespaceOf = new Map<SandboxId, string>();
  #unlocked = false;
  #closed = false;

  constructor(options: TenancyOptions) {
    this.#options = options;
  }

  /**
   * The sandbox comes into the namespace that its path leads to; resolves to the path by which it is to be entered. Rejects with
   * Occupied, or if another sandbox in there listens where this one would.
   */
  async enter(sandbox: Sandbox, netns: string, namespace: string): Promise<string> {
    const tenants = this.#namespaces.get(namespace) ?? (await this.#open(netns, namespace));
    for (const other of tenants.sandboxes.values()) refuseSame(sandbox, other);
    tenants.sandboxes.set(sandbox.id, sandbox);
    this.#namespaceOf.set(sandbox.id, namespace);
    return tenants.path;
  }

  /** The path by which the sandbox is to be entered now: the one whose path it was may have left. */
  pathOf(id: SandboxId): string | undefined {
    return this.#namespaces.get(this.#namespaceOf.get(id) ?? "")?.path;
  }

  /** The sandbox leaves; gives back those that must go by another path from now on. */
  leave(id: SandboxId): readonly SandboxId[] {
    const namespace = this.#namespaceOf.get(id) ?? "";
    const tenants = this.#namespaces.get(namespace);
    this.#namespaceOf.delete(id);
    if (tenants === undefined) return [];
    tenants.sandboxes.delete(id);
    const others = [...tenants.sandboxes.values()];
    if (others[0] === undefined) {
      tenants.lock?.release();
      this.#namespaces.delete(namespace);
    } else if (!others.some((o) => o.netns === tenants.path)) {
      tenants.path = others[0].netns!;
      return others.map((o) => o.id);
    }
    return [];
  }

  /** Nobody waits for an owner any more. */
  stop(): void {
    this.#closed = true;
  }

  /** Everybody leaves: the next process may come. */
  close(): void {
    this.stop();
    for (const { lock } of this.#namespaces.values()) lock?.release();
    this.#namespaces.clear();
  }

  #open(netns: string, namespace: string): Promise<Tenants> {
    let opening = this.#opening.get(namespace);
    if (opening === undefined) {
      opening = this.#lock(netns, namespace)
        .then((lock) => {
          const tenants: Tenants = { path: netns, sandboxes: new Map(), lock };
          this.#namespaces.set(namespace, tenants);
          return tenants;
        })
        .finally(() => this.#opening.delete(namespace));
      this.#opening.set(namespace, opening);
    }
    return opening;
  }

  async #lock(netns: string, namespace: string): Promise<Lock | undefined> {
    const { stateDir, patience = 0 } = this.#options;
    for (const until = performance.now() + patience; ; await setTimeout(POLL)) {
      try {
        return stateDir.lock(`netns-${namespace.replace(":", "-")}`);
      } catch (error) {
        if (!(error instanceof LockHeld)) return this.#goOnWithout(error);
        if (this.#closed || performance.now() >= until) throw new Occupied(netns, stateDir.path, error.pid);
      }
    }
  }

  /** Without a state directory there is nobody to be told apart from; that is no reason not to answer. */
  #goOnWithout(error: unknown): undefined {
    if (this.#unlocked) return;
    this.#unlocked = true;
    const why = error instanceof Error ? error.message : error;
    this.#options.onNotice(`${why}; another process that answers in the same namespaces would not be noticed`);
  }
}

/** Milliseconds. */
const POLL = 50;

/** With one path, the registry has seen to it. */
function refuseSame(sandbox: Sandbox, other: Sandbox): void {
  if (other.id === sandbox.id || other.netns === sandbox.netns) return;
  const taken = new Set(other.listen.flatMap(places));
  const place = sandbox.listen.flatMap(places).find((p) => taken.has(p));
  if (place !== undefined)
    throw new Error(
      `sandbox ${other.id} listens on ${place} in the same namespace, to which ${other.netns} leads, too, as ${sandbox.netns} does`,
    );
}

const places = ({ address, port, source = [] }: Listen): string[] =>
  port === 0 ? [] : (source.length > 0 ? source : ["everyone"]).map((s) => `${address} port ${port} for ${s}`);
