/**
 * Composition root: the only file that knows every part. A change goes registry -> compile -> data plane in one go, so that
 * when `apply` returns, the next query is answered from it.
 */
import type DNS2 from "dns2";
import type { ForwarderCounters } from "./forwarder/counters.ts";
import { createForwarder, type ForwarderOptions } from "./forwarder/forwarder.ts";
import type { Change, Listen, ReadonlyState, SandboxId, Upstream } from "./model/types.ts";
import { type Applied, Registry } from "./registry/registry.ts";
import { Compiler } from "./scoping/compile.ts";
import { DEFAULT_POLICY, type Policy } from "./scoping/policy.ts";
import type { Bound, DataPlane } from "./server/data-plane.ts";
import { InlinePlane } from "./server/inline-plane.ts";
import { answerPacket } from "./server/object-edge.ts";
import { createServing, type ServeCounters } from "./server/serve.ts";
import { version } from "./version.ts";

/** Everything has a default: `createNode()` is a resolver that knows nothing yet and forwards nothing. */
export interface NodeOptions {
  /** TTLs, compat mode, hostnames, upstreams. */
  readonly policy?: Partial<Policy>;
  readonly forwarder?: ForwarderOptions;
  /** What `id.server` says. Default: "eleven". */
  readonly id?: string;
  /** Told of socket errors that belong to no query. Default: they are dropped. */
  readonly onError?: (error: Error) => void;
}

/** A registry, its resolver, and the sockets of its sandboxes. */
export class ElevenNode {
  readonly registry: Registry;
  readonly #compiler: Compiler;
  readonly #plane: InlinePlane;
  readonly #forwarder: ReturnType<typeof createForwarder>;
  /** What each sandbox listens on, as asked; and the attaching or detaching under way. */
  readonly #listening = new Map<SandboxId, { listen: readonly Listen[]; bound: readonly Bound[] }>();
  #sockets: Promise<void> = Promise.resolve();
  #failure: Error | undefined;

  constructor(options: NodeOptions = {}) {
    const policy = { ...DEFAULT_POLICY, ...options.policy };
    this.registry = new Registry();
    this.#compiler = new Compiler(policy);
    this.#forwarder = createForwarder(options.forwarder);
    const identity = { version: `eleven ${version}`, id: options.id ?? "eleven" };
    const serving = createServing({ compat: policy.compat, negativeTtl: policy.ttl.negative, identity });
    this.#plane = new InlinePlane({
      serving,
      forwarder: this.#forwarder,
      ...(options.onError && { onError: options.onError }),
    });
    this.registry.on("change", (applied) => this.#follow(applied));
  }

  get state(): ReadonlyState {
    return this.registry.state;
  }

  get counters(): { readonly serve: Readonly<ServeCounters>; readonly forward: Readonly<ForwarderCounters> } {
    return { serve: this.#plane.counters, forward: this.#forwarder.counters };
  }

  /**
   * Changes what exists, all of it or (with a RegistryError) nothing. Returns the revision; answers come from it at once.
   * Sockets of new sandboxes open in the background: wait with `ready`.
   */
  apply(changes: readonly Change[]): number {
    return this.registry.apply(changes);
  }

  /** Resolves when all sandboxes put so far listen; rejects if one of them could not. */
  async ready(): Promise<void> {
    await this.#sockets;
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
  }

  /** Where a sandbox listens, once `ready`. */
  listening(sandbox: SandboxId): readonly Bound[] {
    return this.#listening.get(sandbox)?.bound ?? [];
  }

  /** Replaces the node's own upstreams (resolv.conf changed, say). Answers in flight are not touched. */
  setUpstreams(upstreams: readonly Upstream[]): void {
    this.#plane.update(this.#compiler.changeUpstreams(this.registry.state, upstreams));
  }

  /** Answers a dns2 packet as the sandbox would be answered: put any dns2 server in front, DNS over HTTPS included. */
  answer(packet: DNS2.Packet, sandbox: SandboxId): Promise<DNS2.Packet> {
    return answerPacket(packet, (query) => this.#plane.ask(query, sandbox));
  }

  async close(): Promise<void> {
    await this.#sockets;
    this.#forwarder.close();
    await this.#plane.close();
  }

  #follow({ touched }: Applied): void {
    this.#plane.update(this.#compiler.compile(this.registry.state, touched));
    for (const id of touched.sandboxes) {
      const listen = this.registry.state.sandboxes.get(id)?.listen;
      this.#sockets = this.#sockets.then(() => this.#attach(id, listen)).catch((error) => this.#failed(error));
    }
  }

  async #attach(id: SandboxId, listen: readonly Listen[] | undefined): Promise<void> {
    const before = this.#listening.get(id);
    if (before !== undefined && JSON.stringify(before.listen) === JSON.stringify(listen)) return;
    const plane: DataPlane = this.#plane;
    if (before !== undefined) await plane.detach(id);
    this.#listening.delete(id);
    if (listen !== undefined) this.#listening.set(id, { listen, bound: await plane.attach(id, listen) });
  }

  #failed(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new Error(String(error));
  }
}

/** The library's front door. */
export const createNode = (options?: NodeOptions): ElevenNode => new ElevenNode(options);
