/** For people who look: what is behind each VIP in each namespace, what it carries, and where the kernel is not what it should be. */
import { setTimeout } from "node:timers/promises";
import type { NetworkId, ReadonlyState, ServiceId, TaskId } from "../../model/types.ts";
import { type LbBackend, LbError, type Taken } from "../backends/backend.ts";
import { diff } from "../diff.ts";
import type { Reconciler } from "../reconcile/reconciler.ts";
import type { Kept, TargetStatus } from "../reconcile/reconciler-options.ts";
import { readKey } from "../server-key.ts";
import type { Destination, LbTarget, VirtualServer } from "../state.ts";
import { opText, stateText } from "../state-text.ts";
import { type Traffic, traffic } from "./traffic.ts";

/** One namespace, as our last change left it. */
export interface BalanceView extends TargetStatus {
  /** Path of the namespace; missing: this process's own. */
  readonly netns?: string;
  readonly backend: string;
  readonly servers: readonly ServerView[];
  /** What there is beside servers: addresses, published ports, redirects, sysctls; a line each. */
  readonly others: readonly string[];
}

export interface ServerView extends Omit<VirtualServer, "destinations" | "drain"> {
  readonly service?: ServiceId;
  readonly network?: NetworkId;
  readonly destinations: readonly DestinationView[];
  /** Since its rules were made. Missing: nobody counts there. */
  readonly taken?: Taken;
}

export interface DestinationView extends Destination {
  /** Missing: none of the tasks that there are now. */
  readonly task?: TaskId;
  /** Connections that are open. Missing: not asked for, or not to be had. */
  readonly open?: number;
}

/** Steps from what is in the kernel to what should be, as `opText` writes them; none: they are equal. */
export interface Drift {
  readonly target: string;
  readonly steps: readonly string[];
  /** Why it can't be said. */
  readonly problem?: string;
}

export interface Repaired {
  readonly target: string;
  /** Steps that it was away. */
  readonly repaired: readonly string[];
  /** Steps that it still is, after a few seconds. */
  readonly left: readonly string[];
  readonly problem?: string;
}

type Where = (target: LbTarget) => boolean;

/** Milliseconds that a repair is waited for, and between two looks. */
const [PATIENCE, LOOK] = [5_000, 50];
/** A namespace that is being changed each time we look is not looked at for ever. */
const TRIES = 20;

export class Inspection {
  readonly #backend: LbBackend;
  readonly #reconciler: Reconciler;
  readonly #state: () => ReadonlyState;

  constructor(backend: LbBackend, reconciler: Reconciler, state: () => ReadonlyState) {
    this.#backend = backend;
    this.#reconciler = reconciler;
    this.#state = state;
  }

  traffic(): Promise<readonly Traffic[]> {
    const targets = this.#reconciler.kept().map(({ target }) => target);
    return traffic(this.#backend, targets, this.#state());
  }

  /** With `vips`, only servers of these addresses, and their open connections counted. */
  async show(where: Where, vips?: ReadonlySet<string>): Promise<BalanceView[]> {
    const views: BalanceView[] = [];
    for (const kept of this.#kept(where)) views.push(await this.#view(kept, vips));
    return views;
  }

  /** Reads the kernel, and changes nothing. */
  async drift(where: Where): Promise<Drift[]> {
    const drifts: Drift[] = [];
    for (const { target } of this.#kept(where)) drifts.push(await this.#compare(target.id));
    return drifts;
  }

  /** Looks at the kernel and puts right what is wrong there, as happens by itself now and then. */
  async repair(where: Where): Promise<Repaired[]> {
    const before = await this.drift(where);
    this.#reconciler.check(before.map(({ target }) => target));
    return Promise.all(
      before.map(async ({ target, steps }) => {
        const { steps: left, ...rest } = await this.#afterRepair(target);
        return { ...rest, repaired: left.length === 0 ? steps : steps.filter((step) => !left.includes(step)), left };
      }),
    );
  }

  #kept(where: Where): readonly Kept[] {
    return this.#reconciler.kept().filter(({ target }) => where(target));
  }

  async #afterRepair(id: string): Promise<Drift> {
    for (const until = performance.now() + PATIENCE; ; await setTimeout(LOOK)) {
      const drift = await this.#compare(id);
      if (drift.steps.length === 0 || performance.now() > until) return drift;
    }
  }

  /** What is read while a change is under way says nothing: then it is read again. */
  async #compare(id: string): Promise<Drift> {
    const it = (target: LbTarget): boolean => target.id === id;
    for (let tries = TRIES; tries > 0; tries--, await setTimeout(LOOK)) {
      const [kept] = this.#kept(it);
      if (kept === undefined) return { target: id, steps: [], problem: "it is not balanced in any more" };
      const { target, there } = kept;
      if (there === undefined || kept.busy) continue;
      try {
        const actual = await this.#backend.read(target, Object.keys(there.sysctls));
        const [now] = this.#kept(it);
        if (now?.there === there && !now.busy) return { target: id, steps: diff(actual, there).map(opText) };
      } catch (error) {
        if (!(error instanceof LbError)) throw error;
        return { target: id, steps: [], problem: error.message };
      }
    }
    const [kept] = this.#kept(it);
    return { target: id, steps: [], problem: kept?.status.reason ?? "it is being changed all the time" };
  }

  async #view({ target, there, status }: Kept, vips: ReadonlySet<string> | undefined): Promise<BalanceView> {
    const taken = await this.#backend.taken?.(target).catch(nothing);
    const servers = (there?.servers ?? []).filter(({ vip }) => vips === undefined || vips.has(vip));
    const views: ServerView[] = [];
    for (const server of servers) {
      const { destinations, drain: _, ...rest } = server;
      const place = readKey(server.key);
      const counted = taken?.get(server.key);
      views.push({
        ...rest,
        ...place,
        destinations: await Promise.all(
          destinations.map((destination) => this.#destination(target, server, destination, place, vips !== undefined)),
        ),
        ...(counted && { taken: counted }),
      });
    }
    const { netns } = target;
    const others =
      there === undefined
        ? []
        : stateText({ ...there, servers: [] })
            .split("\n")
            .filter(Boolean);
    return { ...status, ...(netns !== undefined && { netns }), backend: this.#backend.name, servers: views, others };
  }

  async #destination(
    target: Kept["target"],
    server: VirtualServer,
    destination: Destination,
    place: ReturnType<typeof readKey>,
    count: boolean,
  ): Promise<DestinationView> {
    const task = place && taskAt(destination.address, place, this.#state());
    const open = count ? await this.#backend.connections(target, server, destination).catch(nothing) : undefined;
    return { ...destination, ...(task !== undefined && { task }), ...(open !== undefined && { open }) };
  }
}

const nothing = (error: unknown): undefined => {
  if (!(error instanceof LbError)) throw error;
};

function taskAt(
  address: string,
  { service, network }: { readonly service: ServiceId; readonly network: NetworkId },
  { tasks, tasksOf }: ReadonlyState,
): TaskId | undefined {
  for (const id of tasksOf.get(service) ?? [])
    if (tasks.get(id)?.endpoints.some((e) => e.network === network && (e.ip4 === address || e.ip6 === address)))
      return id;
  return undefined;
}
