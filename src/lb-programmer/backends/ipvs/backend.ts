/**
 * Docker's way: connections to a VIP get a firewall mark, IPVS balances whatever has the mark.
 *
 *   packet to VIP -> rule: mark 256 -> IPVS service 256 -> one of its destinations -> rule: source becomes ours, if it must
 *
 * Rules go into a table of nf_tables, or through iptables where the kernel has none (rules.ts); IPVS and addresses through netlink. The
 * kernel is the only memory.
 */
import { exec } from "../../../os/exec.ts";
import { ipvsCounted } from "../../../os/netlink/ipvs.ts";
import { ipvsConnections } from "../../../os/netlink/ipvs-lists.ts";
import { localRoutes } from "../../../os/netlink/rtnetlink.ts";
import type { Destination, LbOp, LbState, LbTarget, LocalAddress, VirtualServer } from "../../state.ts";
import { isGone, type LbBackend, LbError, type Taken } from "../backend.ts";
import { inside } from "../common/failure.ts";
import { Found } from "../common/found.ts";
import { Localnet } from "../common/localnet.ts";
import { onOwnDevice } from "../common/own.ts";
import type { AddressChange } from "../common/own-addresses.ts";
import { through } from "../common/through.ts";
import { Watches } from "../common/watch.ts";
import { whereOf } from "../common/where.ts";
import { addressChange, onInterface, selfRouteChange } from "./addresses.ts";
import { RulesChoice } from "./choose-rules.ts";
import { forgetEarlyFlows } from "./flows.ts";
import { changeInterfaces, ownAddresses } from "./interfaces.ts";
import { EVERY_LOOK, type Rules } from "./rules.ts";
import { changeServices, deleteServices, removeServices } from "./services.ts";
import { ipvsSysctls, openSettings, readSettings, SETTINGS } from "./sysctls.ts";
import { hasIpvs, NO_IPVS, withIpvs } from "./with-ipvs.ts";

export interface IpvsOptions {
  /** Rules through iptables: of the "legacy" or the "nft" variant, or (true) the first that works. Missing: only where there is no nf_tables. */
  readonly iptables?: "legacy" | "nft" | true;
  /** What settings were before us. Default: known as long as this process lives. */
  readonly found?: Found;
}

export class IpvsBackend implements LbBackend {
  readonly name = "ipvs";
  readonly sysctls = ipvsSysctls;
  readonly #watches = new Watches(openSettings);
  readonly #found: Found;
  readonly #choice: RulesChoice;
  /** What others drop, by target and namespace, as it was when we last looked. */
  readonly #blocked = new Map<string, string | undefined>();
  /** Servers as they were last read or made, likewise: the kernel counts by marks. */
  readonly #servers = new Map<string, readonly VirtualServer[]>();
  /** The rules that were taken; their looks are what is watched. */
  #taken: Rules | undefined;

  constructor({ found = new Found(), iptables }: IpvsOptions = {}) {
    this.#found = found;
    this.#choice = new RulesChoice(new Localnet(found), iptables);
  }

  async #rules(target: LbTarget): Promise<Rules> {
    this.#taken = await this.#choice.of(target);
    return this.#taken;
  }

  async probe(target: LbTarget): Promise<void> {
    inside(target, "namespace", () => {}); // the first thing to know: is it there
    if (!hasIpvs(target)) await exec("modprobe", ["-a", "ip_vs", "xt_ipvs"]).catch(() => {});
    if (!hasIpvs(target)) throw new LbError("missing", target, NO_IPVS);
    await (await this.#rules(target)).probe(target);
  }

  async read(target: LbTarget, keys: readonly string[]): Promise<LbState> {
    this.#watches.settings(target, keys);
    const { state, blocked } = await (await this.#rules(target)).read(target);
    this.#blocked.set(whereOf(target), blocked);
    this.#servers.set(whereOf(target), state.servers);
    return { ...state, sysctls: readSettings(target, keys) };
  }

  /**
   * A service that IPVS refuses, for want of its scheduler say, keeps no other one from working.
   *
   * Rules before services and services before addresses where something is added, services first where something goes: there
   * is no service without a rule that says whose it is, wherever this is interrupted.
   */
  async apply(target: LbTarget, ops: readonly LbOp[], desired: LbState): Promise<void> {
    const rules = await this.#rules(target);
    await this.#watches.during(target, () => this.#apply(rules, target, ops, desired));
    this.#watches.settings(target, Object.keys(desired.sysctls));
    this.#servers.set(whereOf(target), desired.servers);
  }

  async #apply(rules: Rules, target: LbTarget, ops: readonly LbOp[], desired: LbState): Promise<number | undefined> {
    const settings = new Map(ops.flatMap((op) => (op.op === "sysctl.set" ? [[op.key, op.value] as const] : [])));
    this.#found.set(target, settings, SETTINGS);
    if (ops.some((op) => op.op === "server.remove")) withIpvs(target, () => removeServices(ops, desired));
    const { times, ...changed } = await rules.change(target, ops, desired);
    if ("blocked" in changed) this.#blocked.set(whereOf(target), changed.blocked);
    const refused = ops.some((op) => "server" in op)
      ? whatFails(() => withIpvs(target, () => changeServices(ops, desired)))
      : undefined;
    inside(target, "conntrack", () => forgetEarlyFlows(target, ops));
    const isReal = (address: LocalAddress): boolean => rules.isReal(address, desired);
    const addresses = target.kind === "sandbox" ? NO_CHANGE : addressChange(ops, desired, isReal);
    inside(target, "addresses", () => changeInterfaces(selfRouteChange(ops, desired, ownAddresses()), addresses));
    if (refused !== undefined) throw refused;
    return times;
  }

  async connections(target: LbTarget, server: VirtualServer, { address }: Destination): Promise<number> {
    return withIpvs(target, () => ipvsConnections((found) => found.by === address && through(server, found)));
  }

  async taken(target: LbTarget): Promise<ReadonlyMap<string, Taken>> {
    const servers = this.#servers.get(whereOf(target)) ?? [];
    if (servers.length === 0) return new Map();
    const counted = new Map(withIpvs(target, ipvsCounted).map(({ mark, ...taken }) => [mark, taken]));
    const nothing: Taken = { connections: 0, packets: 0, bytes: 0 };
    return new Map(servers.map(({ key, mark }) => [key, counted.get(mark) ?? nothing]));
  }

  blocked(target: LbTarget): string | undefined {
    return this.#blocked.get(whereOf(target));
  }

  watch(target: LbTarget, changed: () => void): () => void {
    return this.#watches.add(target, (this.#taken?.looks ?? EVERY_LOOK)[target.kind], changed);
  }

  close(): void {
    this.#watches.stop();
    this.#servers.clear();
  }

  /** On interfaces only what the target is configured with is ours to take away; in a container's namespace, nothing. */
  async clear(target: LbTarget): Promise<void> {
    try {
      const rules = await this.#rules(target);
      const { services, addresses, vips } = await rules.held(target);
      this.#found.putBack(target, SETTINGS); // while the rules still guard it
      if (services.length > 0) withIpvs(target, () => deleteServices(services));
      await rules.remove(target);
      const own = onOwnDevice(target, addresses);
      inside(target, "addresses", () => {
        const routes = localRoutes()
          .map(({ to }) => to)
          .filter((to) => vips.has(to));
        changeInterfaces({ added: [], removed: routes }, { added: [], removed: own.map(onInterface) });
      });
    } catch (error) {
      if (!isGone(error)) throw error;
    } finally {
      this.forget(target);
    }
  }

  forget(target: LbTarget): void {
    this.#blocked.delete(whereOf(target));
    this.#servers.delete(whereOf(target));
    this.#choice.forget(target);
  }
}

/** No address of an interface in a container's namespace is ours. */
const NO_CHANGE: AddressChange = { added: [], removed: [] };

function whatFails(work: () => void): LbError | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof LbError && !isGone(error)) return error;
    throw error;
  }
}
