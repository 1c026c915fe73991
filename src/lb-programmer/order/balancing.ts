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
import { isGone, type LbBackend, sysctlsOf } from "../backends/backend.ts";
import { Found } from "../backends/common/found.ts";
import { Planner } from "../plan/planner.ts";
import type { Told } from "../plan/touched-services.ts";
import { createReconciler, type Reconciler } from "../reconcile/reconciler.ts";
import type { TargetStatus } from "../reconcile/reconciler-options.ts";
import type { LbState, LbTarget } from "../state.ts";
import { type Choice, chooseBackend } from "./choose.ts";
import { fixedTargets } from "./fixed-targets.ts";
import { Inspection } from "./inspection.ts";
import { KeptMarks } from "./kept-marks.ts";
import type { BalanceOptions } from "./options.ts";
import { PortReservations } from "./ports.ts";
import { SayOnce } from "./say-once.ts";
import { SharedNamespaces } from "./shared-namespaces.ts";
import { Start } from "./start.ts";

/** Milliseconds in which none of the namespaces that are waited for gets done. */
const STUCK = 5_000;
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
  readonly #once: SayOnce;
  readonly #found: Found;
  readonly #targets = new Map<string, LbTarget>();
  readonly #sharedNamespaces = new SharedNamespaces();
  readonly #ports: PortReservations;
  readonly #start: Start;
  /** From when there is a backend. */
  #backend: LbBackend | undefined;
  #planner: Planner | undefined;
  #reconciler: Reconciler | undefined;
  #marks: KeptMarks | undefined;
  /** Something of ours stayed in a namespace, since the kernel did not let us remove it. */
  #uncleared = false;
  /** The newest revision that the reconciler was asked for. */
  #requested = -1;
  #running: Promise<void> | undefined;
  #again = false;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: BalanceOptions, hooks: BalancingHooks) {
    this.#options = options;
    this.#hooks = hooks;
    this.#notice = harmless(hooks.onNotice);
    this.#once = new SayOnce(this.#notice);
    this.#found = new Found(hooks.stateDir, (problem) => this.#once.say("found", problem));
    this.#ports = new PortReservations(options.mesh?.host.netns);
    this.#start = new Start({
      choose: (target) => this.#choose(target),
      targets: () => this.#targets.values(),
      found: (choice) => this.#begin(choice),
      onProblem: (problem) => this.#once.say("backend", problem),
    });
  }

  /** False if there is nothing to balance in: names need not wait for anything. */
  get active(): boolean {
    return this.#targets.size > 0 || this.#fixedTargets().length > 0;
  }

  /** The state is another: kernel, names, kernel. Changes that come meanwhile are taken together. `told`: what has changed, if anything. */
  follow(told?: Told): void {
    if (told !== undefined) this.#planner?.follow(told);
    this.#again = true;
    this.#running ??= this.#run();
  }

  /** A sandbox has its namespace; from now on connections are balanced in there. */
  add(sandbox: Sandbox): void {
    if (sandbox.netns === undefined) return;
    this.#put(this.#sharedNamespaces.add(sandbox.id, sandbox.netns));
    this.follow(); // what an earlier process left there may go
  }

  /** Nothing of ours stays in its namespace, unless another sandbox has the same. */
  async remove(sandbox: SandboxId): Promise<void> {
    const { left, gone } = this.#sharedNamespaces.remove(sandbox);
    if (left !== undefined) this.#put(left);
    if (gone === undefined || !this.#targets.delete(gone)) return;
    this.#once.over(gone);
    await this.#clear(gone);
  }

  /** Removes everything of ours from a namespace that no sandbox is in any more: an earlier process left it there. */
  async clear(netns: string): Promise<void> {
    const target: LbTarget = { kind: "sandbox", id: `sandbox in ${netns}`, sandbox: "", netns };
    const backend = this.#backend ?? (await this.#choose(target).catch(() => undefined))?.backend;
    await backend?.clear(target).catch((error) => this.#notCleared(error));
    if (backend !== this.#backend) backend?.close?.();
  }

  /**
   * Resolves when what was asked for so far is in names and kernel, or can't be for now. Not `patient`: after a few seconds in any case,
   * however many namespaces there are.
   */
  async settled({ patient = true }: { readonly patient?: boolean } = {}): Promise<void> {
    if (patient && this.#start.first) await this.#start.tried();
    while (this.#running !== undefined) await this.#running;
    await this.#reconciler?.installed(this.#hooks.state().revision, { timeout: STUCK, patient });
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

  /** For people who look; undefined as long as there is no backend. */
  get inspection(): Inspection | undefined {
    return this.#reconciler && new Inspection(this.#backend!, this.#reconciler, this.#hooks.state);
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
    await this.#running;
    clearTimeout(this.#retry);
    const targets = this.#reconciler?.status() ?? [];
    if (clear) await Promise.all(targets.map(({ target }) => this.#clear(target)));
    await this.#reconciler?.close();
    this.#backend?.close?.();
    this.#ports.close();
    this.#marks?.close({ cleared: clear && !this.#uncleared });
  }

  #choose(target: LbTarget): Promise<Choice> {
    return chooseBackend(this.#options.backend, target, { found: this.#found });
  }

  /** There is a backend: all targets that have come so far are kept from now on. */
  #begin({ backend, why }: Choice): void {
    if (why !== undefined) this.#notice(why, "info");
    const { placement = "sandbox", node = "node-1", idle = {} } = this.#options;
    const { stateDir, state } = this.#hooks;
    const kept = new KeptMarks(backend.dryRun ? undefined : stateDir, (problem) => this.#once.say("marks", problem));
    const { marks } = kept;
    const context = { placement, node, marks: (key: string) => marks.of(key), sysctls: sysctlsOf(backend, idle) };
    const planner = new Planner(context, state().revision);
    const reconciler = createReconciler({
      backend,
      marks: { adopt: (servers) => marks.adopt(servers), keep: (keys) => planner.freed(marks.keep(keys)) },
      plan: (target) => planner.plan(state(), target),
      reserve: (target, planned) => (backend.dryRun ? planned : this.#reserve(target, planned)),
      revision: () => state().revision,
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
      this.#once.over(target);
    });
    this.#backend = backend;
    this.#planner = planner;
    this.#marks = kept;
    this.#reconciler = reconciler;
    for (const target of this.#targets.values()) reconciler.add(target);
    this.follow();
  }

  /**
   * Finding nothing left to do and not running any more are one synchronous step: a `follow` that comes after it starts a new run, so
   * none is lost.
   */
  async #run(): Promise<void> {
    await undefined;
    while (this.#again) await this.#change().catch((error) => this.#failed(error));
    this.#running = undefined;
  }

  /** Kernel, names, kernel, up to the revision that there is now. */
  async #change(): Promise<void> {
    this.#again = false;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    const { revision } = this.#hooks.state();
    for (const target of this.#fixedTargets()) this.#put(target);
    if (this.#targets.size > 0 && this.#start.first)
      await Promise.race([this.#start.tried(), setTimeout(PATIENCE, undefined, { ref: false })]);
    const reconciler = this.#reconciler;
    if (reconciler !== undefined && revision > this.#requested) {
      this.#requested = revision;
      reconciler.request(undefined, revision);
    }
    await reconciler?.installed(revision, { timeout: PATIENCE, slow: false });
    await this.#hooks.changeNames(revision);
    reconciler?.release(revision);
    this.#once.over("names");
  }

  /** The last good names and tables stay in force, and it is tried again. */
  #failed(error: unknown): void {
    this.#once.say("names", messageOf(error));
    if (!this.#closed) this.#retry ??= timeout(() => this.follow(), RETRY).unref();
  }

  #fixedTargets(): LbTarget[] {
    return fixedTargets(this.#options, this.#hooks.state());
  }

  #put(target: LbTarget): void {
    const { id } = target;
    if (JSON.stringify(this.#targets.get(id)) === JSON.stringify(target)) return;
    this.#targets.set(id, target);
    if (this.#reconciler !== undefined) this.#reconciler.add(target);
    else this.#start.again();
  }

  /** The step between plan and kernel: a published port that is somebody else's on the host is left out, and said. */
  #reserve(target: LbTarget, planned: LbState): LbState {
    if (target.kind !== "host") return planned;
    const before = this.#ports.taken;
    const published = this.#ports.keep(planned.published);
    const now = this.#ports.taken;
    for (const taken of before) if (!now.includes(taken)) this.#once.over(taken);
    for (const taken of now) this.#once.say(taken, `published port ${taken}; it is not published here`);
    return { ...planned, published };
  }

  /** Ends keeping the target, and removes everything of ours from its namespace. */
  async #clear(target: string): Promise<void> {
    await this.#reconciler?.remove(target).catch((error) => this.#notCleared(error));
  }

  /** A namespace that is gone is as clear as can be. */
  #notCleared(error: unknown): void {
    if (isGone(error)) return;
    this.#uncleared = true;
    this.#notice(messageOf(error));
  }

  #tell({ target, state, reason }: TargetStatus): void {
    if (state === "degraded") this.#once.say(target, `${target}: degraded: ${reason?.replace(`${target}: `, "")}`);
    else if (state === "equal" && this.#once.over(target)) this.#notice(`${target}: good again`, "info");
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const WORKING = { state: "working" } as const;
const degraded = (reason: string) => ({ state: "degraded", reason }) as const;
