/**
 * Docker's way: connections to a VIP get a firewall mark, IPVS balances whatever has the mark.
 *
 *   packet to VIP -> mangle: mark 256 -> IPVS service 256 -> one of its destinations -> nat: source becomes ours, if it must
 *
 * Rules and addresses through batches of iptables-restore and ip, IPVS through netlink. The kernel is the only memory.
 */
import { existsSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { ipvsConnections, ipvsDestinations, ipvsList, ipvsServices } from "../../os/ipvs.ts";
import { nftGeneration } from "../../os/nfnetlink.ts";
import { xtablesSizes } from "../../os/xtables.ts";
import {
  type Destination,
  EMPTY,
  type LbBackend,
  LbError,
  type LbOp,
  type LbState,
  type LbTarget,
  type VirtualServer,
} from "../types.ts";
import { addressBatch, isComplaint, removedAddresses, selfRouteBatch } from "./ipvs/addresses.ts";
import type { Chain, Family } from "./ipvs/chain.ts";
import { forgetEarlyFlows } from "./ipvs/flows.ts";
import { bridgesOf, routeLocalnet } from "./ipvs/published.ts";
import { stateOf } from "./ipvs/read.ts";
import { chainsOf, IDLE } from "./ipvs/rules.ts";
import { EVERY_CHAIN, marksOf, restoreText } from "./ipvs/saved.ts";
import { changeServices, deleteServices, familiesWithNewIdlers, removeServices } from "./ipvs/services.ts";
import {
  type Flavour,
  inside,
  NO_IPVS,
  readSysctls,
  restoreRules,
  run,
  savedRules,
  savedState,
  writeSysctls,
} from "./ipvs/tools.ts";
import { addressesThere, Watches } from "./watch.ts";

export interface IpvsOptions {
  /** Which iptables holds the rules: "legacy" or "nft". Missing: the system's choice, or the other if that does not work. */
  readonly iptables?: "legacy" | "nft";
}

export class IpvsBackend implements LbBackend {
  readonly name = "ipvs";
  readonly #watches = new Watches();
  #flavour: Flavour | undefined;

  constructor(options: IpvsOptions = {}) {
    this.#flavour = options.iptables && `-${options.iptables}`;
  }

  async probe(target: LbTarget): Promise<void> {
    inside(target, "namespace", () => {}); // the first thing to know: is it there
    if (!hasIpvs(target)) await run(target, "modprobe", ["-a", "ip_vs", "xt_ipvs"], "", () => false).catch(() => {});
    if (!hasIpvs(target)) throw new LbError("missing", target, NO_IPVS);
    await run(target, "ip", ["-V"]);
    const flavour = await this.#iptables(target);
    const rules = `*mangle\n-A OUTPUT -m mark --mark 0x100 -m comment --comment probe -j MARK --set-xmark 0x100/0xffffffff\nCOMMIT
*nat\n-A POSTROUTING -m ipvs --ipvs -j SNAT --to-source 127.0.0.1\nCOMMIT\n`;
    await run(target, `iptables${flavour}-restore`, ["--noflush", "--test"], rules);
  }

  async read(target: LbTarget, keys: readonly string[]): Promise<LbState> {
    const found = await savedState(target, await this.#iptables(target));
    const ipvs = inside(target, "IPVS", () =>
      FAMILIES.some((family) => marksOf(found.saved[family]).length > 0)
        ? { services: ipvsServices(), destinations: ipvsDestinations() }
        : { services: [], destinations: new Map() },
    );
    const state = stateOf({ ...found, ...ipvs });
    const localnet = readSysctls(target, bridgesOf(state.published).map(routeLocalnet));
    return {
      ...state,
      published: state.published.filter((p) => p.to.includes(":") || localnet[routeLocalnet(p.bridge)] !== "0"),
      sysctls: readSysctls(target, keys),
    };
  }

  /**
   * Rules before services and services before addresses where something is added, services first where something goes: there
   * is no service without a rule that says whose it is, wherever this is interrupted.
   */
  async apply(target: LbTarget, ops: readonly LbOp[], desired: LbState): Promise<void> {
    await this.#watches.during(target, () => this.#apply(target, ops, desired));
  }

  async #apply(target: LbTarget, ops: readonly LbOp[], desired: LbState): Promise<void> {
    writeSysctls(
      target,
      ops.flatMap((op) => (op.op === "sysctl.set" ? [[op.key, op.value] as const] : [])),
    );
    if (ops.some((op) => op.op === "server.remove")) inside(target, "IPVS", () => removeServices(ops, desired));
    await this.#changeRules(target, ops, desired);
    if (ops.some((op) => "server" in op)) inside(target, "IPVS", () => changeServices(ops, desired));
    inside(target, "conntrack", () => forgetEarlyFlows(target, ops));
    if (ops.some((op) => op.op === "published.add")) {
      const there = readSysctls(target, bridgesOf(desired.published).map(routeLocalnet)); // a bridge may come later
      writeSysctls(
        target,
        Object.keys(there).map((key) => [key, "1"] as const),
      );
    }
    const routes = inside(target, "addresses", () => selfRouteBatch(ops, desired, ownAddresses()));
    await changeInterfaces(target, routes + addressBatch(ops, desired));
  }

  async connections(target: LbTarget, _server: VirtualServer, destination: Destination): Promise<number> {
    return inside(target, "IPVS", () => ipvsConnections(destination.address));
  }

  watch(target: LbTarget, changed: () => void): () => void {
    return this.#watches.add(target, [ipvsList, xtablesSizes, nftGeneration, addressesThere], changed);
  }

  close(): void {
    this.#watches.stop();
  }

  async clear(target: LbTarget): Promise<void> {
    try {
      const batch: string[] = [];
      const both = await savedRules(target, await this.#iptables(target));
      for (const family of FAMILIES) {
        const saved = both[family];
        const services = marksOf(saved).map((mark) => ({ mark, family }));
        if (services.length > 0) inside(target, "IPVS", () => deleteServices(services));
        batch.push(...removedAddresses(saved));
        const text = restoreText(saved, EMPTY, EVERY_CHAIN, family);
        await restoreRules(target, await this.#iptables(target), family, text);
      }
      await changeInterfaces(target, batch.map((line) => `${line}\n`).join(""));
    } catch (error) {
      if (!(error instanceof LbError && error.code === "gone")) throw error;
    }
  }

  async #changeRules(target: LbTarget, ops: readonly LbOp[], desired: LbState): Promise<void> {
    const touched: Record<Family, Set<Chain>> = { 4: new Set(), 6: new Set() };
    for (const op of ops) {
      const change = chainsOf(op);
      for (const chain of change?.chains ?? []) touched[change!.family].add(chain);
    }
    if (ops.some((op) => "destination" in op))
      for (const family of inside(target, "IPVS", () => familiesWithNewIdlers(ops, desired)))
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
        if (error instanceof LbError && error.code === "gone") throw error;
        first ??= error;
      }
    }
    throw first;
  }
}

const FAMILIES = [4, 6] as const;

async function changeInterfaces(target: LbTarget, batch: string): Promise<void> {
  if (batch !== "") await run(target, "ip", ["-force", "-batch", "-"], batch, isComplaint);
}

function hasIpvs(target: LbTarget): boolean {
  return inside(target, "IPVS", () => existsSync("/proc/thread-self/net/ip_vs"));
}

/** Of the current namespace. */
const ownAddresses = (): Set<string> =>
  new Set(Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address)));
