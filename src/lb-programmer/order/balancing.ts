/**
 * Names and kernel together. A change of the registry goes
 *
 *   kernel: what is new -> names -> kernel: what goes
 *
 * so that a name never leads to where nothing is yet, and nothing goes that a name still leads to. What the kernel refuses
 * holds names up for a moment only: it is seen as a degraded target, and tried again.
 */
import { setTimeout as timeout } from "node:timers";
import { setTimeout } from "node:timers/promises";
import { harmless, type Notice } from "../../model/notice.ts";
import type { ReadonlyState, Sandbox, SandboxId } from "../../model/types.ts";
import type { StateDir } from "../../os/state-dir.ts";
import { LbError } from "../backends/backend.ts";
import { Localnet } from "../backends/common/localnet.ts";
import { plan } from "../plan/plan.ts";
import { createReconciler, type Reconciler, type TargetStatus } from "../reconcile/reconciler.ts";
import type { HostTarget, IngressTarget, LbState, LbTarget, NetworkTarget } from "../state.ts";
import { type BackendOptions, type Choice, chooseBackend } from "./choose.ts";
import { KeptMarks } from "./kept-marks.ts";
import type { BalanceOptions } from "./options.ts";
import { PortReservations } from "./ports.ts";
import { Sharing } from "./sharing.ts";
import { Start } from "./start.ts";

/** Names wait no longer than this for the kernel, in milliseconds. */
const PATIENCE = 1_000;

/** Milliseconds until names that could not be changed are tried again. */
const RETRY = 1_000;

export interface BalancingHooks {
  readonly state: () => ReadonlyState;
  /** Changes names to the registry's state at this revision; what they lead to is in the kernel. Resolves when every answer is so. */
  readonly changeNames: (revision: number) => Promise<void>;
  /** Where marks are remembered over restarts. */
  readonly stateDir: StateDir;
  readonly onNotice: Notice;
  /** A namespace stands otherwise than before. */
  readonly onStatus?: (status: TargetStatus) => void;
  /** Somebody had changed our rules there; they are right again. */
  readonly onRepaired?: (target: string, steps: number) => void;
}

export class Balancing {
  readonly #options: BalanceOptions;
  readonly #hooks: BalancingHooks;
  readonly #notice: Notice;
  readonly #kept: KeptMarks;
  readonly #backends: BackendOptions;
  readonly #targets = new Map<string, LbTarget>();
  readonly #sharing = new Sharing();
  readonly #ports: PortReservations;
  readonly #start: Start;
  #choice: Choice | undefined;
  #reconciler: Reconciler | undefined;
  #requested = -1;
  #busy: Promise<void> | undefined;
  #again = false;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;
  #said = new Map<string, string>();

  constructor(options: BalanceOptions, hooks: BalancingHooks) {
    this.#options = options;
    this.#hooks = hooks;
    this.#notice = harmless(hooks.onNotice);
    const remembered = options.backend === "dry-run" ? undefined : hooks.stateDir;
    this.#kept = new KeptMarks(remembered, (problem) => this.#say("marks", problem));
    this.#backends = { localnet: new Localnet(remembered, (problem) => this.#say("route_localnet", problem)) };
    this.#ports = new PortReservations(options.mesh?.host.netns);
    this.#start = new Start({
      choose: (target) => this.#choose(target),
      targets: () => this.#targets.values(),
      found: (choice) => this.#begin(choice),
      onProblem: (problem) => this.#say("backend", problem),
    });
  }

  /** False if there is nothing to balance in: names need not wait for anything. */
  get active(): boolean {
    return this.#targets.size > 0 || this.#fixedTargets().length > 0;
  }

  /** The state is another: kernel, names, kernel. Changes that come meanwhile are taken together. */
  follow(): void {
    this.#again = true;
    this.#busy ??= this.#run();
  }

  /** A sandbox has its namespace; from now on connections are balanced in there. */
  add(sandbox: Sandbox): void {
    if (sandbox.netns === undefined) return;
    this.#put(this.#sharing.add(sandbox.id, sandbox.netns));
    this.follow(); // what an earlier process left there may go
  }

  /** Nothing of ours stays in its namespace, unless another sandbox has the same. */
  async remove(sandbox: SandboxId): Promise<void> {
    const { left, gone } = this.#sharing.remove(sandbox);
    if (left !== undefined) this.#put(left);
    if (gone === undefined || !this.#targets.delete(gone)) return;
    this.#said.delete(gone);
    await this.#reconciler?.remove(gone).catch((error) => this.#failedToClear(error));
  }

  /** Removes everything of ours from a namespace that no sandbox is in any more: an earlier process left it there. */
  async clear(netns: string): Promise<void> {
    const target: LbTarget = { kind: "sandbox", id: `sandbox in ${netns}`, sandbox: "", netns };
    const found = this.#choice ?? (await this.#choose(target).catch(() => undefined));
    await found?.backend.clear(target).catch((error) => this.#failedToClear(error));
    if (found !== this.#choice) found?.backend.close?.();
  }

  /** Resolves when what was asked for so far is in names and kernel, or can't be for now. */
  async settled(): Promise<void> {
    while (this.#busy !== undefined) await this.#busy;
    await this.#reconciler?.installed(this.#hooks.state().revision, { timeout: 5_000 });
  }

  /**
   * Resolves when nothing is left in the kernel that is not wanted any more: tasks that went have no connections, or no time.
   * Does not wait for namespaces that fail.
   */
  async drained(): Promise<void> {
    await this.settled();
    const leaving = () => (this.#reconciler?.status() ?? []).some((s) => s.leaving > 0 && s.state !== "degraded");
    while (leaving()) await setTimeout(50);
  }

  /** How each namespace stands. The host is degraded, too, if published ports are somebody else's. */
  status(): readonly TargetStatus[] {
    if (this.#reconciler === undefined) {
      const { problem } = this.#start;
      const waiting = { revision: -1, leaving: 0, ...(problem === undefined ? WORKING : degraded(problem)) };
      return [...this.#targets.keys()].map((target) => ({ target, ...waiting }));
    }
    const { taken } = this.#ports;
    const reason = `published port ${taken.join("; ")}`;
    return this.#reconciler
      .status()
      .map((s) => (s.target === "host" && s.state === "equal" && taken.length > 0 ? { ...s, ...degraded(reason) } : s));
  }

  /** With `clear`, the kernel is as it was before us. */
  async close({ clear }: { readonly clear: boolean }): Promise<void> {
    this.#closed = true;
    await this.#start.close();
    await this.#busy;
    clearTimeout(this.#retry);
    if (clear && this.#reconciler !== undefined) {
      const reconciler = this.#reconciler;
      const ids = reconciler.status().map((s) => s.target);
      await Promise.all(ids.map((id) => reconciler.remove(id).catch((error) => this.#failedToClear(error))));
    }
    await this.#reconciler?.close();
    this.#choice?.backend.close?.();
    this.#ports.close();
    this.#kept.close({ cleared: clear });
  }

  #choose(target: LbTarget): Promise<Choice> {
    return chooseBackend(this.#options.backend, target, this.#backends);
  }

  /** Not busy any more in the very step that finds nothing left to do: who follows after that starts anew. */
  async #run(): Promise<void> {
    await undefined;
    while (this.#again) await this.#once().catch((error) => this.#failed(error));
    this.#busy = undefined;
  }

  /** The last good names and tables stay in force, and it is tried again. */
  #failed(error: unknown): void {
    this.#say("names", messageOf(error));
    if (!this.#closed) this.#retry ??= timeout(() => this.follow(), RETRY).unref();
  }

  async #once(): Promise<void> {
    this.#again = false;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    const { revision } = this.#hooks.state();
    for (const target of this.#fixedTargets()) this.#put(target);
    if (this.#targets.size > 0)
      await Promise.race([this.#start.tried(), setTimeout(PATIENCE, undefined, { ref: false })]);
    const reconciler = this.#reconciler;
    if (reconciler !== undefined && revision > this.#requested) {
      this.#requested = revision;
      reconciler.request(undefined, revision);
    }
    await reconciler?.installed(revision, { timeout: PATIENCE, slow: false });
    await this.#hooks.changeNames(revision);
    reconciler?.release(revision);
    this.#said.delete("names");
  }

  #put(target: LbTarget): void {
    const { id } = target;
    if (JSON.stringify(this.#targets.get(id)) === JSON.stringify(target)) return;
    this.#targets.set(id, target);
    if (this.#reconciler !== undefined) this.#reconciler.add(target);
    else this.#start.again();
  }

  /** Targets that are there for the node, not for a sandbox; those of networks and the mesh come with their networks. */
  #fixedTargets(): LbTarget[] {
    const { mesh, networks = [] } = this.#options;
    const state = this.#hooks.state();
    const targets: LbTarget[] = networks
      .filter((n) => state.networks.has(n.network))
      .map((n): NetworkTarget => ({ ...n, kind: "network", id: `network/${n.network}` }));
    if (mesh === undefined) return targets;
    const ingress = [...state.networks.values()].find((n) => n.ingress);
    if (ingress !== undefined)
      targets.push({ ...mesh.ingress, kind: "ingress", id: "ingress", network: ingress.id } satisfies IngressTarget);
    targets.push({ ...mesh.host, kind: "host", id: "host" } satisfies HostTarget);
    return targets;
  }

  /** There is a backend: all targets that have come so far are kept from now on. */
  #begin(choice: Choice): void {
    const { backend, why } = choice;
    if (why !== undefined) this.#notice(why, "info");
    this.#choice = choice;
    const reconciler = createReconciler({
      backend,
      marks: this.#kept.marks,
      plan: (target) => this.#plan(target),
      revision: () => this.#hooks.state().revision,
      onError: (error) => this.#notice(messageOf(error)),
    });
    reconciler.on("status", (status) => {
      this.#tell(status);
      this.#hooks.onStatus?.(status);
    });
    reconciler.on("repaired", (target, steps) => {
      this.#notice(`${target}: somebody changed our rules; put right in ${steps} steps`);
      this.#hooks.onRepaired?.(target, steps);
    });
    reconciler.on("gone", (target) => {
      this.#targets.delete(target);
      this.#said.delete(target);
    });
    this.#reconciler = reconciler;
    for (const target of this.#targets.values()) reconciler.add(target);
    this.follow();
  }

  #plan(target: LbTarget): LbState {
    const { placement = "sandbox", node = "node-1", idle } = this.#options;
    const marks = (key: string) => this.#kept.marks.of(key);
    const ipvs = this.#choice?.backend.name === "ipvs";
    const planned = plan(this.#hooks.state(), target, { placement, marks, node, ipvs, idle });
    if (target.kind !== "host" || this.#choice?.backend.name === "dry-run") return planned;
    const published = this.#ports.keep(planned.published);
    for (const taken of this.#ports.taken) this.#say(taken, `published port ${taken}; it is not published here`);
    return { ...planned, published };
  }

  /** A namespace that is gone is as clear as can be. */
  #failedToClear(error: unknown): void {
    if (error instanceof LbError && error.code === "gone") return;
    this.#notice(messageOf(error));
  }

  #tell({ target, state, reason }: TargetStatus): void {
    if (state === "degraded") this.#say(target, `${target}: degraded: ${reason?.replace(`${target}: `, "")}`);
    else if (state === "equal" && this.#said.delete(target)) this.#notice(`${target}: good again`, "info");
  }

  /** The same thing once. */
  #say(about: string, message: string): void {
    if (this.#said.get(about) === message) return;
    this.#said.set(about, message);
    this.#notice(message);
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const WORKING = { state: "working" } as const;
const degraded = (reason: string) => ({ state: "degraded", reason }) as const;
