/**
 * Docker's way: connections to a VIP get a firewall mark, IPVS balances whatever has the mark.
 *
 *   packet to VIP -> mangle: mark 256 -> IPVS service 256 -> one of its destinations -> nat: source becomes ours, if it must
 *
 * Rules through batches of iptables-restore, IPVS and addresses through netlink. The kernel is the only memory.
 */

import { existsSync } from "node:fs";
import { exec } from "../../../os/exec.ts";
import { ipvsConnections, ipvsCounted, ipvsDestinations, ipvsList, ipvsServices } from "../../../os/netlink/ipvs.ts";
import { nftGeneration } from "../../../os/netlink/nfnetlink.ts";
import { localRoutes } from "../../../os/netlink/rtnetlink.ts";
import { forwardChains } from "../../../os/nftables/forward.ts";
import { xtablesSizes } from "../../../os/xtables.ts";
import {
  type Destination,
  EMPTY,
  type LbOp,
  type LbState,
  type LbTarget,
  type PublishedPort,
  type VirtualServer,
} from "../../state.ts";
import { isGone, type LbBackend, LbError, type Taken } from "../backend.ts";
import { inside } from "../common/failure.ts";
import { Found } from "../common/found.ts";
import { Localnet } from "../common/localnet.ts";
import { mayHold, onOwnDevice } from "../common/own.ts";
import { inTheWay } from "../common/passage.ts";
import { Watches } from "../common/watch.ts";
import { addressesThere, type Look } from "../common/watched.ts";
import { addressChange, onInterface, selfRouteChange } from "./addresses.ts";
import type { Chain, Family } from "./chain.ts";
import { forgetEarlyFlows } from "./flows.ts";
import { changeInterfaces, interfacesHere, ownAddresses } from "./interfaces.ts";
import { notedAddresses, notedVips, stateOf } from "./read.ts";
import { chainsOf, IDLE } from "./rules.ts";
import { EVERY_CHAIN, marksOf, restoreText } from "./saved.ts";
import { changeServices, deleteServices, familiesWithNewIdlers, removeServices } from "./services.ts";
import { ipvsSysctls, openSettings, readSettings, SETTINGS } from "./sysctls.ts";
import { type Flavour, NO_IPVS, restoreRules, run, savedRules, withIpvs } from "./tools.ts";

export interface IpvsOptions {
  /** Which iptables holds the rules: "legacy" or "nft". Missing: the system's choice, or the other if that does not work. */
  readonly iptables?: "legacy" | "nft";
  /** What settings were before us. Default: known as long as this process lives. */
  readonly found?: Found;
}

export class IpvsBackend implements LbBackend {
  readonly name = "ipvs";
  readonly sysctls = ipvsSysctls;
  readonly #watches = new Watches(openSettings);
  readonly #found: Found;
  readonly #localnet: Localnet;
  #flavour: Flavour | undefined;
  /** What others drop, by target, as it was when we last looked. */
  readonly #blocked = new Map<string, string | undefined>();
  /** Servers as they were last read or made, by target: the kernel counts by marks. */
  readonly #servers = new Map<string, readonly VirtualServer[]>();

  constructor({ iptables, found = new Found() }: IpvsOptions = {}) {
    this.#flavour = iptables && `-${iptables}`;
    this.#found = found;
    this.#localnet = new Localnet(found);
  }

  async probe(target: LbTarget): Promise<void> {
    inside(target, "namespace", () => {}); // the first thing to know: is it there
    if (!hasIpvs(target)) await exec("modprobe", ["-a", "ip_vs", "xt_ipvs"]).catch(() => {});
    if (!hasIpvs(target)) throw new LbError("missing", target, NO_IPVS);
    const flavour = await this.#iptables(target);
    const rules = `*mangle\n-A OUTPUT -m mark --mark 0x100 -m comment --comment probe -j MARK --set-xmark 0x100/0xffffffff\nCOMMIT
*nat\n-A POSTROUTING -m ipvs --ipvs -j SNAT --to-source 127.0.0.1\nCOMMIT\n`;
    await run(target, `iptables${flavour}-restore`, ["--noflush", "--test"], rules);
  }

  async read(target: LbTarget, keys: readonly string[]): Promise<LbState> {
    this.#watches.settings(target, keys);
    const saved = await savedRules(target, await this.#iptables(target));
    const ipvs = withIpvs(target, () =>
      FAMILIES.some((family) => marksOf(saved[family]).length > 0)
        ? { services: ipvsServices(), destinations: ipvsDestinations() }
        : { services: [], destinations: new Map() },
    );
    const interfaces = inside(target, "addresses", interfacesHere);
    const found = stateOf({ saved, ...ipvs, ...interfaces });
    const state = found !== undefined && mayHold(target, found) ? found : EMPTY;
    this.#servers.set(target.id, state.servers);
    this.#lookAround(target, state.published);
    return {
      ...state,
      published: inside(target, "route_localnet", () => state.published.filter((p) => this.#localnet.isOpenFor(p))),
      sysctls: readSettings(target, keys),
    };
  }

  /**
   * Rules before services and services before addresses where something is added, services first where something goes: there
   * is no service without a rule that says whose it is, wherever this is interrupted.
   */
  async apply(target: LbTarget, ops: readonly LbOp[], desired: LbState): Promise<void> {
    await this.#watches.during(target, async () => void (await this.#apply(target, ops, desired)));
    this.#watches.settings(target, Object.keys(desired.sysctls));
    this.#servers.set(target.id, desired.servers);
  }

  async #apply(target: LbTarget, ops: readonly LbOp[], desired: LbState): Promise<void> {
    const settings = new Map(ops.flatMap((op) => (op.op === "sysctl.set" ? [[op.key, op.value] as const] : [])));
    this.#found.set(target, settings, SETTINGS);
    if (ops.some((op) => op.op === "server.remove")) withIpvs(target, () => removeServices(ops, desired));
    const publishing = ops.some(({ op }) => op.startsWith("published."));
    if (publishing) this.#localnet.close(target, desired.published); // while the rules still guard it
    await this.#changeRules(target, ops, desired);
    if (publishing) this.#localnet.open(target, desired.published);
    if (publishing) this.#lookAround(target, desired.published);
    if (ops.some((op) => "server" in op)) withIpvs(target, () => changeServices(ops, desired));
    inside(target, "conntrack", () => forgetEarlyFlows(target, ops));
    inside(target, "addresses", () =>
      changeInterfaces(selfRouteChange(ops, desired, ownAddresses()), addressChange(ops, desired)),
    );
  }

  async connections(target: LbTarget, _server: VirtualServer, destination: Destination): Promise<number> {
    return withIpvs(target, () => ipvsConnections(destination.address));
  }

  async taken(target: LbTarget): Promise<ReadonlyMap<string, Taken>> {
    const servers = this.#servers.get(target.id) ?? [];
    if (servers.length === 0) return new Map();
    const counted = new Map(withIpvs(target, ipvsCounted).map(({ mark, ...taken }) => [mark, taken]));
    const nothing: Taken = { connections: 0, packets: 0, bytes: 0 };
    return new Map(servers.map(({ key, mark }) => [key, counted.get(mark) ?? nothing]));
  }

  blocked(target: LbTarget): string | undefined {
    return this.#blocked.get(target.id);
  }

  /** At nftables' chains. iptables' own is one of them: where we have let them pass there, it is seen to. */
  #lookAround(target: LbTarget, published: readonly PublishedPort[]): void {
    this.#blocked.delete(target.id);
    if (published.length === 0) return;
    const chains = inside(target, "nftables", () => forwardChains(undefined, ""));
    this.#blocked.set(target.id, inTheWay(chains, published));
  }

  watch(target: LbTarget, changed: () => void): () => void {
    return this.#watches.add(target, LOOKS[target.kind], changed);
  }

  close(): void {
    this.#watches.stop();
    this.#servers.clear();
  }

  /** On interfaces only what the target is configured with is ours to take away; in a container's namespace, nothing. */
  async clear(target: LbTarget): Promise<void> {
    try {
      const flavour = await this.#iptables(target);
      const saved = await savedRules(target, flavour);
      this.#found.putBack(target, SETTINGS); // while the rules still guard it
      for (const family of FAMILIES) {
        const services = marksOf(saved[family]).map((mark) => ({ mark, family }));
        if (services.length > 0) withIpvs(target, () => deleteServices(services));
        await restoreRules(target, flavour, family, restoreText(saved[family], EMPTY, EVERY_CHAIN, family));
      }
      const noted = onOwnDevice(
        target,
        FAMILIES.flatMap((family) => notedAddresses(saved[family], family)),
      );
      const vips = new Set(FAMILIES.flatMap((family) => notedVips(saved[family], family)));
      inside(target, "addresses", () => {
        const routes = localRoutes()
          .map(({ to }) => to)
          .filter((to) => vips.has(to));
        changeInterfaces({ added: [], removed: routes }, { added: [], removed: noted.map(onInterface) });
      });
    } catch (error) {
      if (!isGone(error)) throw error;
    } finally {
      this.#blocked.delete(target.id);
      this.#servers.delete(target.id);
    }
  }

  async #changeRules(target: LbTarget, ops: readonly LbOp[], desired: LbState): Promise<void> {
    const touched: Record<Family, Set<Chain>> = { 4: new Set(), 6: new Set() };
    for (const op of ops) {
      const change = chainsOf(op);
      for (const chain of change?.chains ?? []) touched[change!.family].add(chain);
    }
    if (ops.some((op) => "destination" in op))
      for (const family of withIpvs(target, () => familiesWithNewIdlers(ops, desired)))
        for (const chain of IDLE) touched[family].add(chain);
    if (FAMILIES.every((family) => touched[family].size === 0)) return;
    const saved = await savedRules(target, await this.#iptables(target));
    for (const family of FAMILIES) {
      const text = restoreText(saved[family], desired, touched[family], family);
      await restoreRules(target, await this.#iptables(target), family, text);
    }
  }

  /** The first flavour that works. Some kernels have one only, whatever the system prefers. */
  async #iptables(target: LbTarget): Promise<Flavour> {
    if (this.#flavour !== undefined) return this.#flavour;
    let first: unknown;
    for (const flavour of ["", "-legacy", "-nft"] as const) {
      try {
        await run(target, `iptables${flavour}-save`, []);
        this.#flavour = flavour;
        return flavour;
      } catch (error) {
        if (isGone(error)) throw error;
        first ??= error;
      }
    }
    throw first;
  }
}

const FAMILIES = [4, 6] as const;

/** A container's VIPs are no addresses of its interfaces, of which it may have any number. */
const LOOKS: Readonly<Record<LbTarget["kind"], readonly Look[]>> = {
  sandbox: [ipvsList, xtablesSizes, nftGeneration],
  network: [ipvsList, xtablesSizes, nftGeneration, addressesThere],
  ingress: [ipvsList, xtablesSizes, nftGeneration, addressesThere],
  host: [ipvsList, xtablesSizes, nftGeneration, addressesThere],
};

function hasIpvs(target: LbTarget): boolean {
  return withIpvs(target, () => existsSync("/proc/thread-self/net/ip_vs"));
}
