/**
 * Load balancing by nftables alone: VIPs are translated to tasks (DNAT), in a table of our own in each namespace, `inet eleven`.
 * No IPVS, no iptables modules. Differences to IPVS that can be seen:
 *
 * - "lc" and "wlc" take turns like "rr" and "wrr": nftables counts no connections. "mh" is a plain hash like "sh".
 * - "direct" forwarding is masqueraded: connections work, tasks see the balancing namespace as their client.
 * - At most 1 024 tasks of a service take connections (slots.ts).
 * - A VIP on "lo" answers ping without being an address.
 */
import { nftGeneration } from "../../../os/netlink/nfnetlink.ts";
import { xtablesSizes } from "../../../os/xtables.ts";
import { type Destination, EMPTY, type LbOp, type LbState, type LbTarget, type VirtualServer } from "../../state.ts";
import { isGone, type LbBackend, type Taken } from "../backend.ts";
import { Found } from "../common/found.ts";
import { HeldSysctls } from "../common/held-sysctls.ts";
import { Localnet } from "../common/localnet.ts";
import { onOwnDevice } from "../common/own.ts";
import { readSysctls } from "../common/sysctls.ts";
import { Watches } from "../common/watch.ts";
import { addressesThere, type Look } from "../common/watched.ts";
import { whereOf } from "../common/where.ts";
import { changeAddresses, present } from "../inet-table/addresses.ts";
import { closeForwarding, openForwarding, reachable } from "../inet-table/firewalls.ts";
import { InetTable } from "../inet-table/table.ts";
import { countersOf } from "../inet-table/transaction.ts";
import { endConnections, openConnections } from "./connections.ts";
import { bytesCounter, serverChain } from "./parts.ts";
import { turning } from "./turns.ts";

export interface NftablesOptions {
  /** Servers per transaction: a huge one would keep the kernel busy for seconds. Default 1000. */
  readonly chunk?: number;
  /** What settings were before us. Default: known as long as this process lives. */
  readonly found?: Found;
  /** From 0 to 1, which it never is: who gets a first connection. Default: Math.random. */
  readonly random?: () => number;
}

export class NftablesBackend implements LbBackend {
  readonly name = "nftables";
  readonly #table: InetTable;
  readonly #found: Found;
  readonly #localnet: Localnet;
  readonly #watches = new Watches((target, keys) => new HeldSysctls(target, keys));
  /** What others drop, by target and namespace, as it was when we last looked. */
  readonly #blocked = new Map<string, string | undefined>();

  constructor({ chunk, found = new Found(), random }: NftablesOptions = {}) {
    this.#table = new InetTable(turning(random), chunk);
    this.#found = found;
    this.#localnet = new Localnet(found);
  }

  probe(target: LbTarget): Promise<void> {
    return this.#table.probe(target);
  }

  async read(target: LbTarget, keys: readonly string[]): Promise<LbState> {
    this.#watches.settings(target, keys);
    const state = this.#table.look(target);
    const { published, blocked } = await reachable(target, state.published, this.#localnet);
    this.#blocked.set(whereOf(target), blocked);
    return {
      ...state,
      addresses: present(target, state.addresses),
      published,
      sysctls: readSysctls(target, keys),
    };
  }

  apply(target: LbTarget, ops: readonly LbOp[], desired: LbState): Promise<void> {
    return this.#watches.during(target, () => this.#apply(target, ops, desired));
  }

  /** How often that has changed nftables' rules; undefined: more often than we know. */
  async #apply(target: LbTarget, ops: readonly LbOp[], desired: LbState): Promise<number | undefined> {
    const publishing = ops.some(({ op }) => op.startsWith("published."));
    if (publishing) this.#localnet.close(target, desired.published);
    const changed = await this.#changeBoth(target, ops, desired);
    const added = ops.flatMap((op) => (op.op === "address.add" ? [op.address] : []));
    const removed = ops.flatMap((op) => (op.op === "address.remove" ? [op.address] : []));
    if (added.length + removed.length > 0) await changeAddresses(target, added, removed);
    if (publishing) {
      this.#blocked.delete(whereOf(target));
      if (desired.published.length === 0) await closeForwarding(target);
      else this.#blocked.set(whereOf(target), await openForwarding(target, desired.published, this.#localnet));
    }
    endConnections(target, ops, desired);
    return publishing ? undefined : changed; // iptables' rules may be nftables'
  }

  /** Rules, and settings while the kernel is at the rules: another thread waits for it. Both have ended when this resolves or rejects. */
  async #changeBoth(target: LbTarget, ops: readonly LbOp[], desired: LbState): Promise<number | undefined> {
    const rules = this.#table.change(target, ops, desired);
    let changed: number | undefined;
    try {
      const settings = ops.filter((op) => op.op === "sysctl.set"); // of thousands, a few
      this.#found.set(target, new Map(settings.map(({ key, value }) => [key, value])));
      this.#watches.settings(target, Object.keys(desired.sysctls));
    } finally {
      changed = await rules;
    }
    return changed;
  }

  async connections(target: LbTarget, server: VirtualServer, destination: Destination): Promise<number> {
    return openConnections(target, server, destination);
  }

  async taken(target: LbTarget): Promise<ReadonlyMap<string, Taken>> {
    const servers = this.#table.servers(target);
    if (servers.length === 0) return new Map();
    const counters = countersOf(target, 2 * servers.length);
    return new Map(
      servers.map(({ key, mark }) => {
        const { packets = 0, bytes = 0 } = counters.get(bytesCounter(mark)) ?? {};
        return [key, { connections: counters.get(serverChain(mark))?.packets ?? 0, packets, bytes }];
      }),
    );
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
      const { addresses, published, servers } = this.#table.look(target);
      this.#found.putBack(target); // while the rules still guard it
      await changeAddresses(target, [], onOwnDevice(target, addresses));
      await this.#table.remove(target);
      if (published.length > 0 || target.kind === "host") await closeForwarding(target);
      const removed = servers.map((server) => ({ op: "server.remove", server }) as const);
      endConnections(target, removed, EMPTY);
    } catch (error) {
      if (!isGone(error)) throw error;
    } finally {
      this.forget(target);
    }
  }

  forget(target: LbTarget): void {
    this.#table.forget(target);
    this.#blocked.delete(whereOf(target));
  }

  close(): void {
    this.#watches.stop();
    this.#table.clear();
  }
}

/** Where VIPs are addresses, those may be taken away; on the host, iptables has what lets published connections pass. */
const LOOKS: Readonly<Record<LbTarget["kind"], readonly Look[]>> = {
  sandbox: [nftGeneration],
  network: [nftGeneration, addressesThere],
  ingress: [nftGeneration, addressesThere],
  host: [nftGeneration, xtablesSizes],
};
