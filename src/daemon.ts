/**
 * Composition root: the only file that knows every part. A change goes registry -> compile -> data plane in one go, so that
 * when `apply` returns, the next query is answered from it.
 */
import type DNS2 from "dns2";
import type { ForwarderCounters } from "./forwarder/core/counters.ts";
import { createForwarder, type ForwarderOptions } from "./forwarder/io/node-loop.ts";
import { Balancing } from "./lb-programmer/order/balancing.ts";
import type { BalanceOptions } from "./lb-programmer/order/options.ts";
import type { TargetStatus } from "./lb-programmer/reconcile/reconciler.ts";
import type { ChangeInput } from "./model/input.ts";
import { harmless, type Notice } from "./model/notice.ts";
import type { ReadonlyState, SandboxId, Upstream } from "./model/types.ts";
import { checkNodeOptions } from "./options.ts";
import { hurryTools } from "./os/exec.ts";
import { libcProblem } from "./os/libc.ts";
import { netnsSockets } from "./os/socket.ts";
import { StateDir } from "./os/state-dir.ts";
import { type Applied, Registry } from "./registry/registry.ts";
import { Attachments } from "./sandbox/attachments.ts";
import { type Discarded, Inheritance } from "./sandbox/inheritance.ts";
import { removeRedirect } from "./sandbox/redirect.ts";
import { createOpenSockets } from "./sandbox/sockets.ts";
import { Compiler } from "./scoping/compile.ts";
import type { ScopePatch } from "./scoping/patch.ts";
import { DEFAULT_POLICY, type Policy } from "./scoping/policy.ts";
import type { Bound, DataPlane } from "./server/data-plane.ts";
import { InlinePlane } from "./server/inline-plane.ts";
import { answerPacket } from "./server/object-edge.ts";
import { createServing, type ServeCounters, type ServingOptions } from "./server/serve.ts";
import { tellOnce } from "./server/tell-once.ts";
import { canHaveWorkers, WorkerPlane } from "./server/worker/plane.ts";
import { version } from "./version.ts";

/** Everything has a default: `createNode()` is a resolver that knows nothing yet and forwards nothing. */
export interface NodeOptions {
  /** TTLs, compat mode, hostnames, upstreams. */
  readonly policy?: Partial<Policy>;
  readonly forwarder?: ForwarderOptions;
  /** What `id.server` says. Default: "eleven". */
  readonly id?: string;
  /**
   * Threads that answer, and have no right to anything else. Default 1; 0: this one answers. Needs Linux and the built package;
   * where workers can't be had, this thread answers, and `onNotice` is told.
   */
  readonly workers?: number;
  /** How datagrams are read. "batched" (the default where it works): recvmmsg and sendmmsg. "dgram": node's own sockets. */
  readonly transport?: "batched" | "dgram";
  /** Programs the kernel behind VIPs and published ports. Missing: names only. */
  readonly balance?: BalanceOptions;
  /** Keeps sockets over restarts, if the service manager does (NOTIFY_SOCKET and FDSTORE). Default false. */
  readonly keepSockets?: boolean;
  /**
   * What must be known again after a restart is kept here: a directory of this user's alone, made when it is first needed. Default:
   * $STATE_DIRECTORY, else /var/lib/eleven.
   */
  readonly stateDir?: string;
  /** Told what an operator should know: errors of sockets that belong to no query, fallbacks, namespaces that went. */
  readonly onNotice?: Notice;
}

/** A registry, its resolver, and the sockets of its sandboxes. */
export class ElevenNode {
  readonly registry = new Registry();
  readonly #compiler: Compiler;
  readonly #plane: DataPlane;
  readonly #attachments: Attachments;
  readonly #inheritance: Inheritance | undefined;
  readonly #balancing: Balancing | undefined;
  /** Changes of names that wait for the kernel, oldest first. */
  readonly #waiting: ScopePatch[] = [];

  constructor(given: NodeOptions = {}) {
    const options = checkNodeOptions(given);
    const policy = { ...DEFAULT_POLICY, ...options.policy };
    const onNotice = harmless(options.onNotice);
    const stateDir = new StateDir(options.stateDir);
    this.#compiler = new Compiler(policy);
    const batched = hasCalls(options, onNotice);
    this.#inheritance = batched && options.keepSockets ? Inheritance.fromEnvironment(process.env, onNotice) : undefined;
    this.#plane = this.#createPlane(options, policy, batched, onNotice);
    this.#balancing =
      options.balance &&
      new Balancing(options.balance, {
        state: () => this.state,
        changeNames: (revision) => this.#changeNames(revision),
        stateDir,
        onNotice,
      });
    this.#attachments = new Attachments({
      plane: this.#plane,
      stateDir,
      noNamespaces: libcProblem(),
      onNotice,
      onAttached: (sandbox) => this.#balancing?.add(sandbox),
      onDetach: async (id) => this.#balancing?.remove(id),
      onFound: (id, found) => this.#inOrder(this.#compiler.changeSandboxUpstreams(this.state, id, found)),
    });
    this.registry.on("change", (applied) => this.#follow(applied));
  }

  get state(): ReadonlyState {
    return this.registry.state;
  }

  get counters(): { readonly serve: Readonly<ServeCounters>; readonly forward: Readonly<ForwarderCounters> } {
    return this.#plane.counters;
  }

  /**
   * Changes what exists, all of it or (with a RegistryError) nothing. Returns the revision. `applied` resolves when it is
   * in the kernel and every answer comes from it (at once, if this thread answers and nothing is balanced). Sockets of new
   * sandboxes open in the background: wait with `ready`.
   */
  apply(changes: readonly ChangeInput[]): number {
    return this.registry.apply(changes);
  }

  /** Resolves when what was applied so far is in the kernel (or its target is degraded), and every thread answers from it. */
  async applied(): Promise<void> {
    await this.#balancing?.settled();
    await this.#plane.applied(this.state.revision);
  }

  /**
   * Resolves when tasks that were taken away have finished their connections, or had their time (`balance.drain`): then their
   * processes may end.
   */
  async drained(): Promise<void> {
    await this.#balancing?.drained();
  }

  /** How the kernel stands in each namespace that is balanced in. */
  get balance(): readonly TargetStatus[] {
    return this.#balancing?.status() ?? [];
  }

  /** Resolves when all sandboxes put so far listen; rejects if one of them could not, namespaces excepted (`problems`). */
  async ready(): Promise<void> {
    await this.#attachments.ready();
    await this.applied();
    for (const left of this.#inheritance?.discard() ?? []) await this.#clear(left);
    this.#inheritance?.ready();
  }

  /** Where a sandbox listens, once `ready`. */
  listening(sandbox: SandboxId): readonly Bound[] {
    return this.#attachments.bound(sandbox);
  }

  /**
   * Sandboxes that should listen and do not, and why (they are tried again when their namespace changes); those whose resolv.conf
   * may not be rewritten, and those whose thread dies again and again: these listen.
   */
  get problems(): ReadonlyMap<SandboxId, Error> {
    return new Map([...this.#plane.problems, ...this.#attachments.problems]);
  }

  /**
   * Replaces the node's own upstreams (resolv.conf changed, say). Answers in flight are not touched. `ndots`: the file has that
   * option, so unknown names of one label are not forwarded (Docker's rule; the C library then goes on with its search list).
   */
  setUpstreams(upstreams: readonly Upstream[], { ndots = false }: { readonly ndots?: boolean } = {}): void {
    this.#inOrder(this.#compiler.changeUpstreams(this.state, { upstreams, ndots }));
  }

  /** Answers a dns2 packet as the sandbox would be answered: put any dns2 server in front, DNS over HTTPS included. */
  answer(packet: DNS2.Packet, sandbox: SandboxId): Promise<DNS2.Packet> {
    return answerPacket(packet, (query) => this.#plane.ask(query, sandbox));
  }

  /** Ends. Sockets that the service manager keeps, and what leads to them, stay for the next process. */
  async close(): Promise<void> {
    const hurried = hurryTools();
    try {
      if (this.#inheritance !== undefined) {
        this.#inheritance.ending = true;
        await this.#plane.drain();
      }
      await this.#attachments.close({ restore: this.#inheritance === undefined });
      await this.#balancing?.close({ clear: this.#inheritance === undefined });
      await this.#plane.close();
    } finally {
      hurried();
    }
  }

  #follow({ touched, revision }: Applied): void {
    this.#waiting.push(this.#compiler.compile(this.state, touched));
    if (this.#balancing?.active) this.#balancing.follow();
    else void this.#changeNames(revision);
    for (const id of touched.sandboxes) this.#attachments.follow(id, this.state.sandboxes.get(id));
  }

  /** Names become what they were compiled to at this revision, before this returns on this thread, when it resolves on all. */
  async #changeNames(revision: number): Promise<void> {
    while (this.#waiting[0] !== undefined && this.#waiting[0].revision <= revision)
      this.#plane.update(this.#waiting.shift()!);
    await this.#plane.applied(revision);
  }

  /** What waits for nothing, but must not overtake what does. */
  #inOrder(patch: ScopePatch): void {
    if (this.#waiting.length > 0) this.#waiting.push(patch);
    else this.#plane.update(patch);
  }

  /** What an earlier process left where no sandbox is any more. */
  async #clear(left: Discarded): Promise<void> {
    if (left.redirected) await removeRedirect(left);
    const { sandboxes } = this.state;
    if (![...sandboxes.values()].some((s) => s.netns === left.netns)) await this.#balancing?.clear(left.netns);
  }

  #createPlane(options: NodeOptions, policy: Policy, batched: boolean, onNotice: Notice): DataPlane {
    const identity = { version: `eleven ${version}`, id: options.id ?? "eleven" };
    const serving: ServingOptions = { compat: policy.compat, negativeTtl: policy.ttl.negative, identity };
    const onError = (error: Error) => onNotice(error.message);
    const sockets = batched ? createOpenSockets({ inheritance: this.#inheritance, onNotice }) : undefined;
    const forwarder = createForwarder(options.forwarder, netnsSockets, tellOnce(onError));
    const { workers = 1 } = options;
    if (workers > 0 && sockets !== undefined && options.transport !== "dgram") {
      if (canHaveWorkers) {
        const snapshot = () => this.#compiler.snapshot(this.state);
        const forwarderOptions = options.forwarder ?? {};
        return new WorkerPlane({ workers, serving, forwarderOptions, forwarder, sockets, snapshot, onError });
      }
      onNotice("the file of the worker threads, thread-main.js, is not beside the program; the main thread answers");
    }
    const inline = { serving: createServing(serving), forwarder, sockets, onError };
    return new InlinePlane({ ...inline, batched: batched && options.transport !== "dgram" });
  }
}

/** Whether we can make system calls of our own; says so if not. */
function hasCalls({ transport }: NodeOptions, onNotice: Notice): boolean {
  const problem = libcProblem();
  if (problem !== undefined && transport !== "dgram")
    onNotice(`${problem}: node's own sockets are used, and no network namespaces`);
  return problem === undefined;
}

/** The library's front door. */
export const createNode = (options?: NodeOptions): ElevenNode => new ElevenNode(options);
