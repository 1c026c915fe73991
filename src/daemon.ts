/**
 * Composition root: the only file that knows every part. A change goes registry -> compile -> (kernel) -> data plane: names are
 * compiled before `apply` returns, and asked for from then on if this thread answers and nothing is balanced. Who must know when every
 * answer comes from a change waits for `applied`.
 */
import type DNS2 from "dns2";
import type { ForwarderCounters } from "./forwarder/core/counters.ts";
import { Balancing } from "./lb-programmer/order/balancing.ts";
import type { BalanceOptions } from "./lb-programmer/order/options.ts";
import type { Traffic } from "./lb-programmer/order/traffic.ts";
import type { TargetStatus } from "./lb-programmer/reconcile/reconciler-options.ts";
import { Emitter } from "./model/emitter.ts";
import type { ChangeInput } from "./model/input.ts";
import { harmless, type Notice, warn } from "./model/notice.ts";
import { brief } from "./model/quote.ts";
import { listenerThrew, thrownText } from "./model/thrown.ts";
import type { Change, ReadonlyState, SandboxId, Upstream } from "./model/types.ts";
import { type Batch, Door, type WriteOptions } from "./node/door.ts";
import { NodeError } from "./node/error.ts";
import type { NodeEvents } from "./node/events.ts";
import { inTurn } from "./node/in-turn.ts";
import { inspectionOf, type NodeInspection } from "./node/inspect.ts";
import { Names } from "./node/names.ts";
import type { NodeOptions } from "./node/options.ts";
import { createPlane, hasCalls } from "./node/plane.ts";
import { ProblemNews } from "./node/problem-news.ts";
import { frozen, viewOf } from "./node/view.ts";
import { checkNodeOptions, checkUpstreams } from "./options.ts";
import { hurry } from "./os/held-up.ts";
import { libcProblem } from "./os/libc.ts";
import { StateDir } from "./os/state-dir.ts";
import { type Applied, Registry } from "./registry/registry.ts";
import { Attachments } from "./sandbox/attachments.ts";
import { type Discarded, Inheritance } from "./sandbox/inheritance.ts";
import { removeRedirect } from "./sandbox/redirect.ts";
import { Compiler } from "./scoping/compile.ts";
import { DEFAULT_POLICY, type Policy } from "./scoping/policy.ts";
import type { Bound, DataPlane } from "./server/data-plane.ts";
import { answerPacket } from "./server/object-edge.ts";
import type { ServeCounters } from "./server/serve.ts";
import { type KnownUpstreams, UpstreamNews } from "./server/upstream-news.ts";

export type { NodeOptions } from "./node/options.ts";

/** What a process that ends in a restart may take until the next one has its namespaces. Milliseconds. */
const RESTART = 10_000;

/** State, its resolver, and the sockets of its sandboxes. What happens by itself is told by events: see NodeEvents. */
export class ElevenNode extends Emitter<NodeEvents> {
  readonly #registry: Registry;
  readonly #view: ReadonlyState;
  readonly #compiler: Compiler;
  readonly #plane: DataPlane;
  readonly #attachments: Attachments;
  readonly #inheritance: Inheritance | undefined;
  readonly #balancing: Balancing | undefined;
  readonly #inspection: NodeInspection;
  readonly #door: Door;
  readonly #namesFailed: (error: unknown) => void;
  readonly #names: Names;
  readonly #news = new UpstreamNews((upstream) => this.emit("upstream", upstream));
  readonly #problemNews = new ProblemNews(
    (id) => this.#attachments.problemOf(id) ?? this.#plane.problems.get(id),
    (id, problem) => this.emit("problem", id, problem),
  );
  #closing: Promise<void> | undefined;

  constructor(given: NodeOptions = {}) {
    const options = checkNodeOptions(given);
    const onNotice = harmless(options.onNotice ?? warn);
    const threw = listenerThrew(onNotice);
    super(threw);
    const policy = { ...DEFAULT_POLICY, ...options.policy };
    const stateDir = new StateDir(options.stateDir);
    this.#registry = new Registry({ follow: (applied) => this.#follow(applied), threw });
    this.#view = viewOf(this.#registry.state);
    this.#compiler = new Compiler(policy);
    const calls = hasCalls(options.transport, onNotice);
    this.#inheritance = calls && options.keepSockets ? Inheritance.fromEnvironment(process.env, onNotice) : undefined;
    this.#plane = this.#createPlane(options, policy, calls, onNotice);
    this.#names = new Names(this.#plane);
    this.#namesFailed = (error) => onNotice(`names stay what they were until the next change: ${thrownText(error)}`);
    this.#balancing = options.balance && this.#createBalancing(options.balance, stateDir, onNotice);
    this.#attachments = this.#createAttachments(stateDir, onNotice);
    const [plane, compiler, balancing] = [this.#plane, this.#compiler, this.#balancing];
    this.#inspection = inspectionOf({ state: this.#registry.state, plane, compiler, balancing });
    this.#door = new Door(this.#registry, options.store, onNotice);
  }

  /** Everything that exists, live. Nobody can change it here, nor what is taken out of it: that is what `apply` and `write` are for. */
  get state(): ReadonlyState {
    return this.#view;
  }

  /** For people who look: why a name is answered so, what is behind a VIP, whether the kernel is as it should be. */
  get inspect(): NodeInspection {
    this.#check("inspect");
    return this.#inspection;
  }

  get counters(): { readonly serve: Readonly<ServeCounters>; readonly forward: Readonly<ForwarderCounters> } {
    return this.#plane.counters;
  }

  /**
   * Changes what exists, all of it or (with a RegistryError) nothing. Returns the revision. `applied` resolves when it is
   * in the kernel and every answer comes from it (at once, if this thread answers and nothing is balanced). Sockets of new
   * sandboxes open in the background: wait with `ready`. A node with a store refuses: what is applied would not be stored.
   */
  apply(changes: readonly ChangeInput[]): number {
    this.#check("apply");
    return this.#door.apply(changes);
  }

  /**
   * As `apply`, for every store: resolves to the revision when the changes are stored, with what was allocated for them, and
   * applied. Rejects with a RegistryError, or a StoreError if they can't be stored; then nothing has happened. A function makes the
   * changes of state as it is then; `alone`: nothing else is written meanwhile, so conditions on that state hold.
   */
  async write(batch: Batch, options: WriteOptions = {}): Promise<number> {
    this.#check("write");
    return this.#door.write(batch, options, () => this.#check("write"));
  }

  /** What `write` would make of each object. Changes nothing; throws what `write` would be rejected with. */
  rehearse(batch: Batch): readonly Change[] {
    this.#check("rehearse");
    return this.#door.rehearse(batch);
  }

  /** Every reason why `write` would refuse these changes, not the first one alone. */
  refusals(...asked: Parameters<Registry["refusals"]>): ReturnType<Registry["refusals"]> {
    return this.#registry.refusals(...asked);
  }

  /** Resolves when what was applied so far is in the kernel, but for who is degraded or stuck, and every thread answers from it. */
  async applied(): Promise<void> {
    this.#check("applied");
    const { revision } = this.state;
    await this.#balancing?.settled();
    await this.#names.become(revision);
  }

  /**
   * Resolves when tasks that were taken away have finished their connections, or had their time (`balance.drain`): then their
   * processes may end.
   */
  async drained(): Promise<void> {
    this.#check("drained");
    await this.#balancing?.drained();
  }

  /** Connections to services that this node has balanced, and what they carried, by service and network; none where the backend does not count. */
  async traffic(): Promise<readonly Traffic[]> {
    this.#check("traffic");
    return (await this.#balancing?.inspection?.traffic()) ?? [];
  }

  /** How the kernel stands in each namespace that is balanced in. */
  get balance(): readonly TargetStatus[] {
    return this.#balancing?.status() ?? [];
  }

  /**
   * Resolves when what is stored is applied and all sandboxes put so far listen. Rejects if the store can't be opened, or (unless that is
   * `tolerated`) if one in this process's own namespace can't listen; others are in `problems`. All of them are tried again.
   */
  async ready({ tolerated = false }: { readonly tolerated?: boolean } = {}): Promise<void> {
    this.#check("ready");
    await this.#door.opened;
    await this.#attachments.ready().catch((problem) => tolerated || Promise.reject(problem));
    await this.#balancing?.settled({ patient: false }); // a service manager waits for it, and not for long
    this.#check("ready");
    await this.#names.become(this.state.revision);
    for (const left of this.#inheritance?.discard() ?? []) await this.#clear(left);
    this.#inheritance?.ready();
  }

  /** Where a sandbox listens; nowhere before `ready`, or as long as it is one of the `problems`. */
  listening(sandbox: SandboxId): readonly Bound[] {
    this.#check("listening");
    const bound = this.#attachments.bound(sandbox);
    if (bound === undefined) throw new NodeError("unknown", "listening", `there is no sandbox "${brief(sandbox)}"`);
    return bound;
  }

  /**
   * Sandboxes that should listen and do not, and why; those whose resolv.conf could not be rewritten, and those whose thread dies again
   * and again: these listen. All of it is tried again, after a while and when a namespace changes; what works is a problem no more.
   */
  get problems(): ReadonlyMap<SandboxId, Error> {
    return new Map([...this.#plane.problems, ...this.#attachments.problems]);
  }

  /**
   * Replaces the node's own upstreams, or throws an OptionsError. Answers in flight are not touched. `ndots`: resolv.conf has that option,
   * so unknown names of one label are not forwarded (Docker's rule; the C library then goes on with its search list).
   */
  setUpstreams(upstreams: readonly Upstream[], { ndots = false }: { readonly ndots?: boolean } = {}): void {
    this.#check("setUpstreams");
    checkUpstreams(upstreams);
    this.#names.inOrder(this.#compiler.changeUpstreams(this.#registry.state, { upstreams, ndots }));
  }

  /** Who is asked beside what objects say: the node's own upstreams, those that sandboxes' resolv.conf name; and who does not answer. */
  get upstreams(): KnownUpstreams {
    return { node: this.#compiler.upstreams, found: this.#compiler.found, down: this.#news.down };
  }

  /** Answers a dns2 packet as the sandbox would be answered: put any dns2 server in front, DNS over HTTPS included. */
  async answer(packet: DNS2.Packet, sandbox: SandboxId): Promise<DNS2.Packet> {
    this.#check("answer");
    return answerPacket(packet, (query) => this.#plane.ask(query, sandbox));
  }

  /**
   * Ends, once; every method but this one says so from then on (NodeError, "closed"). Sockets that the service manager keeps, and what
   * leads to them, stay for the next process.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const hurried = hurry();
    const restore = this.#inheritance === undefined;
    await inTurn([
      () => this.#door.close(),
      () => this.#inheritance?.end(),
      () => restore || this.#plane.drain(),
      () => this.#attachments.close({ restore }),
      () => this.#balancing?.close({ clear: restore }),
      () => this.#plane.close(),
      () => this.#attachments.leave(),
    ]).finally(hurried);
  }

  #check(op: string): void {
    if (this.#closing !== undefined) throw new NodeError("closed", op, `${op}: the node is closed`);
  }

  #follow(applied: Applied): void {
    const { touched, revision } = applied;
    const { state } = this.#registry;
    this.#names.wait(this.#compiler.compile(state, touched));
    if (this.#balancing?.active) this.#balancing.follow(applied);
    else this.#names.become(revision).catch(this.#namesFailed);
    for (const id of touched.sandboxes) this.#attachments.follow(id, state.sandboxes.get(id));
    if (this.listenerCount("change") === 0) return;
    frozen(applied.changes);
    this.emit("change", applied);
  }

  /** What an earlier process left where no sandbox is any more. */
  async #clear(left: Discarded): Promise<void> {
    if (left.redirected) await removeRedirect(left);
    const { sandboxes } = this.#registry.state;
    if (![...sandboxes.values()].some((s) => s.netns === left.netns)) await this.#balancing?.clear(left.netns);
  }

  #createPlane(options: NodeOptions, policy: Policy, calls: boolean, onNotice: Notice): DataPlane {
    const { forwarder, id, workers, transport } = options;
    return createPlane({
      ...{ policy, forwarder, id, workers, transport, calls, onNotice },
      inheritance: this.#inheritance,
      onHealth: (server, up) => this.#news.heard(server, up),
      onProblem: (sandboxes) => sandboxes.forEach((sandbox) => void this.#problemNews.look(sandbox)),
    });
  }

  #createBalancing(balance: BalanceOptions, stateDir: StateDir, onNotice: Notice): Balancing {
    return new Balancing(balance, {
      state: () => this.#registry.state,
      changeNames: (revision) => this.#names.become(revision),
      stateDir,
      onNotice,
      onStatus: (status) => this.emit("status", status),
      onRepaired: (target, steps) => this.emit("repaired", target, steps),
    });
  }

  #createAttachments(stateDir: StateDir, onNotice: Notice): Attachments {
    return new Attachments({
      plane: this.#plane,
      stateDir,
      patience: this.#inheritance === undefined ? 0 : RESTART,
      noNamespaces: libcProblem(),
      onNotice,
      onAttached: (sandbox) => this.#balancing?.add(sandbox),
      onDetach: async (id) => this.#balancing?.remove(id),
      onFound: (id, found) =>
        this.#names.inOrder(this.#compiler.changeSandboxUpstreams(this.#registry.state, id, found)),
      onProblem: (id) => this.#problemNews.look(id),
    });
  }
}

/** The library's front door. */
export const createNode = (options?: NodeOptions): ElevenNode => new ElevenNode(options);
