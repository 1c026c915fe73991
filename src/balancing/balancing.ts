/**
 * Names and kernel together. A change of the registry goes
 *
 *   kernel: what is new -> names -> kernel: what goes
 *
 * so that a name never leads to where nothing is yet, and nothing goes that a name still leads to. What the kernel refuses
 * holds names up for a moment only: it is seen as a degraded target, and tried again.
 */
import { Marks } from "../lb-programmer/marks.ts";
import { plan } from "../lb-programmer/plan.ts";
import { createReconciler, type Reconciler, type TargetStatus } from "../lb-programmer/reconciler.ts";
import {
  type HostTarget,
  type IngressTarget,
  type LbBackend,
  LbError,
  type LbState,
  type LbTarget,
  type NetworkTarget,
} from "../lb-programmer/types.ts";
import type { Notice } from "../model/notice.ts";
import type { ReadonlyState, Sandbox, SandboxId } from "../model/types.ts";
import { chooseBackend } from "./choose.ts";
import type { BalanceOptions } from "./options.ts";
import { PortReservations } from "./ports.ts";

/** Names wait no longer than this for the kernel, in milliseconds. */
const PATIENCE = 1_000;

export interface BalancingHooks {
  readonly state: () => ReadonlyState;
  /** Changes names to the registry's state; everything is in the kernel that they lead to. */
  readonly changeNames: () => void;
  readonly onNotice: Notice;
}

export class Balancing {
  readonly #options: BalanceOptions;
  readonly #hooks: BalancingHooks;
  readonly #marks = new Marks();
  readonly #targets = new Map<string, LbTarget>();
  readonly #ports: PortReservations;
  #ipvs = false;
  #backend: LbBackend | undefined;
  #reconciler: Promise<Reconciler | undefined> | undefined;
  #running: Reconciler | undefined;
  #busy: Promise<void> | undefined;
  #again = false;
  #said = new Map<string, string>();

  constructor(options: BalanceOptions, hooks: BalancingHooks) {
    this.#options = options;
    this.#hooks = hooks;
    this.#ports = new PortReservations(options.mesh?.host.netns);
  }

  /** False if there is nothing to balance in: names need not wait for anything. */
  get active(): boolean {
    return this.#targets.size > 0 || this.#fixedTargets().length > 0;
  }

  /** The state is another: kernel, names, kernel. Changes that come meanwhile are taken together. */
  follow(): void {
    this.#again = true;
    this.#busy ??= this.#run().finally(() => {
      this.#busy = undefined;
    });
  }

  /** A sandbox has its namespace; from now on connections are balanced in there. */
  add(sandbox: Sandbox): void {
    if (sandbox.netns === undefined) return;
    this.#put({ kind: "sandbox", id: targetOf(sandbox.id), sandbox: sandbox.id, netns: sandbox.netns });
  }

  /** Nothing of ours stays in its namespace. */
  async remove(sandbox: SandboxId): Promise<void> {
    const id = targetOf(sandbox);
    if (!this.#targets.delete(id)) return;
    const reconciler = await this.#reconciler;
    await reconciler?.remove(id).catch((error) => this.#failedToClear(error));
  }

  /** Resolves when what was asked for so far is in names and kernel, or can't be for now. */
  async settled(): Promise<void> {
    while (this.#busy !== undefined) await this.#busy;
    const reconciler = await this.#reconciler;
    await reconciler?.installed(this.#hooks.state().revision, { timeout: 5_000 });
  }

  /** Resolves when nothing is left in the kernel that is not wanted any more: tasks that went have no connections, or no time. */
  async drained(): Promise<void> {
    await this.settled();
    while (this.status().some((s) => s.leaving > 0)) await new Promise((done) => setTimeout(done, 50));
  }

  /** How each namespace stands. */
  status(): readonly TargetStatus[] {
    return this.#running?.status() ?? [];
  }

  /** What could not be done, by target; ports that are somebody else's, too. */
  get problems(): readonly string[] {
    const degraded = this.status().filter((s) => s.state === "degraded");
    return [...degraded.map((s) => `${s.target}: degraded: ${s.reason}`), ...this.#ports.taken];
  }

  /** With `clear`, the kernel is as it was before us. */
  async close({ clear }: { readonly clear: boolean }): Promise<void> {
    await this.#busy;
    const reconciler = await this.#reconciler;
    if (clear && reconciler !== undefined) {
      const ids = reconciler.status().map((s) => s.target);
      await Promise.all(ids.map((id) => reconciler.remove(id).catch((error) => this.#failedToClear(error))));
    }
    await reconciler?.close();
    this.#backend?.close?.();
    this.#ports.close();
  }

  async #run(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      const { revision } = this.#hooks.state();
      for (const target of this.#fixedTargets()) this.#put(target);
      const reconciler = this.#targets.size === 0 ? undefined : await this.#reconciler;
      reconciler?.request(undefined, revision);
      await reconciler?.installed(revision, { timeout: PATIENCE });
      this.#hooks.changeNames();
      reconciler?.release(revision);
    }
  }

  #put(target: LbTarget): void {
    const { id } = target;
    if (JSON.stringify(this.#targets.get(id)) === JSON.stringify(target)) return;
    this.#targets.set(id, target);
    this.#reconciler ??= this.#start(target);
    void this.#reconciler.then((r) => this.#targets.get(id) === target && r?.add(target));
  }

  /** Targets that are there for the node, not for a sandbox; those of networks and the mesh come with their networks. */
  #fixedTargets(): LbTarget[] {
    const { mesh, networks = [] } = this.#options;
    const state = this.#hooks.state();
    const own = networks
      .filter((n) => state.networks.has(n.network))
      .map((n): NetworkTarget => ({ ...n, kind: "network", id: `network/${n.network}` }));
    const ingress = [...state.networks.values()].find((n) => n.ingress);
    if (mesh === undefined || ingress === undefined) return own;
    const entry: IngressTarget = { ...mesh.ingress, kind: "ingress", id: "ingress", network: ingress.id };
    const host: HostTarget = { ...mesh.host, kind: "host", id: "host" };
    return [...own, entry, host];
  }

  /** The first namespace decides which backend it is. Without any, names go on alone. */
  async #start(first: LbTarget): Promise<Reconciler | undefined> {
    try {
      const { backend, why } = await chooseBackend(this.#options.backend, first);
      if (why !== undefined) this.#hooks.onNotice(why, "info");
      this.#backend = backend;
      this.#ipvs = backend.name === "ipvs";
      const reconciler = createReconciler({ backend, marks: this.#marks, plan: (target) => this.#plan(target) });
      reconciler.on("status", (status) => this.#tell(status));
      reconciler.on("repaired", (target, steps) =>
        this.#hooks.onNotice(`${target}: somebody changed our rules; put right in ${steps} steps`),
      );
      reconciler.on("gone", (target) => this.#targets.delete(target));
      this.#running = reconciler;
      return reconciler;
    } catch (error) {
      this.#hooks.onNotice(messageOf(error));
      return undefined;
    }
  }

  #plan(target: LbTarget): LbState {
    const { placement = "sandbox", node = "node-1" } = this.#options;
    const marks = (key: string) => this.#marks.of(key);
    const planned = plan(this.#hooks.state(), target, { placement, marks, node, ipvs: this.#ipvs });
    if (target.kind !== "host") return planned;
    const published = this.#ports.keep(planned.published);
    for (const taken of this.#ports.taken) this.#say(taken, `published port ${taken}; it is not published here`);
    return { ...planned, published };
  }

  /** A namespace that is gone is as clear as can be. */
  #failedToClear(error: unknown): void {
    if (!(error instanceof LbError && error.code === "gone")) this.#hooks.onNotice(messageOf(error));
  }

  #tell({ target, state, reason }: TargetStatus): void {
    if (state === "degraded") this.#say(target, `${target}: degraded: ${reason}`);
    else if (state === "equal" && this.#said.delete(target)) this.#hooks.onNotice(`${target}: good again`, "info");
  }

  /** The same thing once. */
  #say(about: string, message: string): void {
    if (this.#said.get(about) === message) return;
    this.#said.set(about, message);
    this.#hooks.onNotice(message);
  }
}

const targetOf = (sandbox: SandboxId): string => `sandbox/${sandbox}`;
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
