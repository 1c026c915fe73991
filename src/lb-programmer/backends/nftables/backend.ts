/**
 * Load balancing by nftables alone: VIPs are translated to tasks (DNAT), in a table of our own in each namespace, `inet eleven`.
 * No IPVS, no iptables modules. Differences to IPVS that can be seen:
 *
 * - "lc" and "wlc" take turns like "rr" and "wrr": nftables counts no connections. "mh" is a plain hash like "sh".
 * - "direct" forwarding is masqueraded: connections work, tasks see the balancing namespace as their client.
 * - At most 1 024 tasks of a service take connections (slots.ts).
 * - A VIP on "lo" answers ping without being an address.
 *
 * What is in the kernel is remembered between calls, so that a change sends what differs and nothing else. Where that fails,
 * because somebody else changed the table, the table is built anew in one transaction per 1 000 servers.
 */
import { nftGeneration } from "../../../os/netlink/nfnetlink.ts";
import type { Change } from "../../../os/nftables/types.ts";
import { xtablesSizes } from "../../../os/xtables.ts";
import { type Destination, EMPTY, type LbOp, type LbState, type LbTarget, type VirtualServer } from "../../state.ts";
import { isGone, type LbBackend, LbError, type Taken } from "../backend.ts";
import { Found } from "../common/found.ts";
import { HeldSysctls } from "../common/held-sysctls.ts";
import { Localnet } from "../common/localnet.ts";
import { mayHold, onOwnDevice } from "../common/own.ts";
import { readSysctls } from "../common/sysctls.ts";
import { Watches } from "../common/watch.ts";
import { addressesThere, type Look } from "../common/watched.ts";
import { changeAddresses, present } from "./addresses.ts";
import { changesOf, madeBy } from "./changes.ts";
import { endConnections, openConnections } from "./connections.ts";
import { closeForwarding, openForwarding, reachable } from "./forwarding.ts";
import { bytesCounter, NOTHING, otherElements, type Parts, serverChain } from "./parts.ts";
import { SKELETON } from "./skeleton.ts";
import { countersOf, lookAt, readTable, rehearse, transaction } from "./transaction.ts";
import { type Installed, stepTo } from "./turns.ts";
import { understand } from "./understand.ts";

export interface NftablesOptions {
  /** Servers per transaction: a huge one would keep the kernel busy for seconds. Default 1000. */
  readonly chunk?: number;
  /** What settings were before us. Default: known as long as this process lives. */
  readonly found?: Found;
  /** From 0 to 1, which it never is: who gets a first connection. Default: Math.random. */
  readonly random?: () => number;
}

/** What is in the kernel: nothing of ours (undefined), a table that is not as we write it, or these. */
type Known =
  | undefined
  | "damaged"
  | { readonly servers: Map<string, Installed>; readonly sets: Set<string>; others: Parts };

export class NftablesBackend implements LbBackend {
  readonly name = "nftables";
  readonly #chunk: number;
  readonly #found: Found;
  readonly #localnet: Localnet;
  readonly #random: (() => number) | undefined;
  /** By target and namespace (`whereOf`); missing: never looked. */
  readonly #known = new Map<string, { readonly known: Known }>();
  readonly #watches = new Watches((target, keys) => new HeldSysctls(target, keys));
  /** What others drop, by target and namespace, as it was when we last looked. */
  readonly #blocked = new Map<string, string | undefined>();
  /** The kernel has all that we need. */
  #rehearsed = false;

  constructor({ chunk = 1000, found = new Found(), random }: NftablesOptions = {}) {
    this.#chunk = chunk;
    this.#random = random;
    this.#found = found;
    this.#localnet = new Localnet(found);
  }

  /** Tries the whole skeleton without installing it, once: a kernel that lacks a piece says so. */
  async probe(target: LbTarget): Promise<void> {
    if (this.#rehearsed) return lookAt(target);
    await rehearse(target, SKELETON);
    this.#rehearsed = true;
  }

  async read(target: LbTarget, keys: readonly string[]): Promise<LbState> {
    this.#watches.settings(target, keys);
    const state = this.#look(target);
    const { published, blocked } = await reachable(target, state.published, this.#localnet);
    this.#blocked.set(whereOf(target), blocked);
    return {
      ...state,
      addresses: present(target, state.addresses),
      published,
      sysctls: readSysctls(target, keys),
    };
  }

  async apply(target: LbTarget, ops: readonly LbOp[], desired: LbState): Promise<void> {
    await this.#watches.during(target, () => this.#apply(target, ops, desired));
    this.#watches.settings(target, Object.keys(desired.sysctls));
  }

  /** How often that has changed nftables' rules; undefined: more often than we know. */
  async #apply(target: LbTarget, ops: readonly LbOp[], desired: LbState): Promise<number | undefined> {
    this.#found.set(target, new Map(ops.flatMap((op) => (op.op === "sysctl.set" ? [[op.key, op.value]] : []))));
    if (!this.#known.has(whereOf(target))) this.#look(target);
    const publishing = ops.some(({ op }) => op.startsWith("published."));
    if (publishing) this.#localnet.close(target, desired.published);
    let changed: number | undefined;
    try {
      changed = await this.#change(target, ops, desired);
    } catch (error) {
      if (!(error instanceof LbError) || error.code !== "failed") throw error;
      await this.#rebuild(target, desired);
    }
    const added = ops.flatMap((op) => (op.op === "address.add" ? [op.address] : []));
    const removed = ops.flatMap((op) => (op.op === "address.remove" ? [op.address] : []));
    changeAddresses(target, added, removed);
    if (publishing) {
      this.#blocked.delete(whereOf(target));
      if (desired.published.length === 0) await closeForwarding(target);
      else this.#blocked.set(whereOf(target), await openForwarding(target, desired.published, this.#localnet));
    }
    endConnections(target, ops, desired);
    return publishing ? undefined : changed; // iptables' rules may be nftables'
  }

  async connections(target: LbTarget, server: VirtualServer, destination: Destination): Promise<number> {
    return openConnections(target, server, destination);
  }

  async taken(target: LbTarget): Promise<ReadonlyMap<string, Taken>> {
    const known = this.#known.get(whereOf(target))?.known;
    if (typeof known !== "object") return new Map();
    const counters = countersOf(target, 2 * known.servers.size);
    const of = ({ server: { key, mark } }: Installed): [string, Taken] => {
      const { packets = 0, bytes = 0 } = counters.get(bytesCounter(mark)) ?? {};
      return [key, { connections: counters.get(serverChain(mark))?.packets ?? 0, packets, bytes }];
    };
    return new Map([...known.servers.values()].map(of));
  }

  blocked(target: LbTarget): string | undefined {
    return this.#blocked.get(whereOf(target));
  }

  watch(target: LbTarget, changed: () => void): () => void {
    return this.#watches.add(target, LOOKS[target.kind], changed);
  }

  unchanged(target: LbTarget): boolean {
    return this.#watches.unchanged(target);
  }

  /** On interfaces only what the target is configured with is ours to take away; in a container's namespace, nothing. */
  async clear(target: LbTarget): Promise<void> {
    try {
      const { addresses, published, servers } = this.#look(target);
      this.#found.putBack(target); // while the rules still guard it
      changeAddresses(target, [], onOwnDevice(target, addresses));
      await transaction(target, this.#removal(target));
      if (published.length > 0 || target.kind === "host") await closeForwarding(target);
      const removed = servers.map((server) => ({ op: "server.remove", server }) as const);
      endConnections(target, removed, EMPTY);
    } catch (error) {
      if (!isGone(error)) throw error;
    } finally {
      this.#known.delete(whereOf(target));
      this.#blocked.delete(whereOf(target));
    }
  }

  close(): void {
    this.#watches.stop();
    this.#known.clear();
  }

  /** Reads the table and remembers it; EMPTY if it is not there or not as we would write it. */
  #look(target: LbTarget): LbState {
    const before = this.#known.get(whereOf(target))?.known;
    this.#known.delete(whereOf(target));
    const most = mostOf(target, before);
    const table = readTable(target, most);
    if (table === undefined) {
      this.#known.set(whereOf(target), { known: undefined });
      return EMPTY;
    }
    const found = table === "endless" ? undefined : understand(table, most);
    const ours = table !== "endless" && found !== undefined && mayHold(target, found.state);
    const sets = ours ? table.sets.map(({ name }) => name) : [];
    const known = ours ? knownOf(found.state, found.servers, new Set(sets)) : "damaged";
    this.#known.set(whereOf(target), { known });
    return ours ? found.state : EMPTY;
  }

  /** Brings the servers that the steps are about, and if one is about something else, all of that, to what `desired` has. */
  async #change(target: LbTarget, ops: readonly LbOp[], desired: LbState): Promise<number> {
    const known = this.#known.get(whereOf(target))?.known;
    if (known === undefined || known === "damaged") return this.#rebuild(target, desired);
    const keys = new Set(ops.flatMap((op) => ("server" in op ? [op.server.key] : [])));
    const touched = [...keys];
    const wanted = new Map(desired.servers.flatMap((server) => (keys.has(server.key) ? [[server.key, server]] : [])));
    const rest = ops.some((op) => !("server" in op) && op.op !== "sysctl.set");
    const others: Parts = rest ? { ...NOTHING, elements: otherElements(desired) } : known.others;
    this.#known.delete(whereOf(target)); // unknown until all of it is done
    let first = rest ? [{ before: known.others, after: others }] : [];
    let changed = 0;
    for (const keys of chunks(touched, this.#chunk)) {
      const steps = keys.map((key) => stepTo(known.servers.get(key), wanted.get(key), this.#random));
      const changes = changesOf([...first, ...steps], known.sets);
      changed += await transaction(target, changes);
      for (const name of madeBy(changes)) known.sets.add(name);
      for (const [i, { installed }] of steps.entries())
        if (installed === undefined) known.servers.delete(keys[i]!);
        else known.servers.set(keys[i]!, installed);
      first = [];
    }
    known.others = others;
    this.#known.set(whereOf(target), { known });
    return changed;
  }

  /** Everything from nothing. The old table, if there is one, goes in the same transaction. */
  async #rebuild(target: LbTarget, desired: LbState): Promise<number> {
    if (!this.#known.has(whereOf(target))) this.#look(target);
    let begin: readonly Change[] = [...this.#removal(target), { kind: "table.add" }];
    const sets = new Set<string>();
    const all: Installed[] = [];
    this.#known.delete(whereOf(target));
    const others: Parts = { ...NOTHING, elements: otherElements(desired) };
    let first = [{ before: NOTHING, after: others }];
    let changed = 0;
    for (const servers of chunks(desired.servers, this.#chunk)) {
      const steps = servers.map((server) => stepTo(undefined, server, this.#random));
      const changes = changesOf([...first, ...steps], sets);
      changed += await transaction(target, [...begin, ...changes]);
      for (const name of madeBy(changes)) sets.add(name);
      all.push(...steps.flatMap(({ installed }) => installed ?? []));
      begin = [];
      first = [];
    }
    this.#known.set(whereOf(target), { known: knownOf(desired, all, sets) });
    return changed;
  }

  /** Of the table as it was found. */
  #removal(target: LbTarget): readonly Change[] {
    return this.#known.get(whereOf(target))?.known === undefined ? [] : [{ kind: "table.delete" }];
  }
}

/**
 * Elements that a table may have: in a container's namespace some times what we left there, since it takes time to compare them
 * with what we would write. A restart that finds more writes it anew.
 */
function mostOf({ kind }: LbTarget, before: Known): number {
  if (kind !== "sandbox") return Number.POSITIVE_INFINITY;
  const left = typeof before === "object" ? elementsIn(before) : 0;
  return Math.max(50_000, 2 * left);
}

const elementsIn = ({ servers, others }: Extract<Known, object>): number =>
  [...servers.values()].reduce((sum, { server }) => sum + 2 * server.destinations.length + 8, others.elements.length);

/** Where VIPs are addresses, those may be taken away; on the host, iptables has what lets published connections pass. */
const LOOKS: Readonly<Record<LbTarget["kind"], readonly Look[]>> = {
  sandbox: [nftGeneration],
  network: [nftGeneration, addressesThere],
  ingress: [nftGeneration, addressesThere],
  host: [nftGeneration, xtablesSizes],
};

const whereOf = ({ id, netns }: LbTarget): string => `${id} ${netns ?? ""}`;

const knownOf = (state: LbState, servers: readonly Installed[], sets: Set<string>): Extract<Known, object> => ({
  sets,
  servers: new Map(servers.map((installed) => [installed.server.key, installed])),
  others: { ...NOTHING, elements: otherElements(state) },
});

/** At least one chunk, even of nothing. */
function chunks<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  const count = Math.max(1, Math.ceil(items.length / size));
  return Array.from({ length: count }, (_, i) => items.slice(i * size, (i + 1) * size));
}
