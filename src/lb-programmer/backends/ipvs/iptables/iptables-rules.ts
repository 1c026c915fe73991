/** Marks, sources and published ports through batches of iptables-restore, where the kernel has no nf_tables of family inet. */
import type { ServiceId } from "../../../../os/netlink/ipvs.ts";
import { ipvsLists } from "../../../../os/netlink/ipvs-lists.ts";
import { forwardChains } from "../../../../os/nftables/forward.ts";
import {
  EMPTY,
  type LbOp,
  type LbState,
  type LbTarget,
  type LocalAddress,
  type PublishedPort,
} from "../../../state.ts";
import { isGone } from "../../backend.ts";
import { inside } from "../../common/failure.ts";
import type { Localnet } from "../../common/localnet.ts";
import { mayHold } from "../../common/own.ts";
import { inTheWay } from "../../common/passage.ts";
import { interfacesHere } from "../interfaces.ts";
import { type Changed, EVERY_LOOK, type Held, type Reading, type Rules } from "../rules.ts";
import type { Family } from "../server.ts";
import { familiesWithNewIdlers, removeOrphans } from "../services.ts";
import { withIpvs } from "../with-ipvs.ts";
import type { Chain } from "./chain.ts";
import { notedAddresses, notedVips, stateOf } from "./read.ts";
import { balancedHere, chainsOf, IDLE, isReal } from "./rules.ts";
import { EVERY_CHAIN, marksOf, restoreText, type Saved } from "./saved.ts";
import { type Flavour, restoreRules, run, savedRules } from "./tools.ts";

export class IptablesRules implements Rules {
  readonly #localnet: Localnet;
  #flavour: Flavour | undefined;

  constructor(localnet: Localnet, flavour?: Flavour) {
    this.#localnet = localnet;
    this.#flavour = flavour;
  }

  readonly looks = EVERY_LOOK;

  async probe(target: LbTarget): Promise<void> {
    const flavour = await this.#iptables(target);
    const rules = `*mangle\n-A OUTPUT -m mark --mark 0x100 -m comment --comment probe -j MARK --set-xmark 0x100/0xffffffff\nCOMMIT
*nat\n-A POSTROUTING -m ipvs --ipvs -j SNAT --to-source 127.0.0.1\nCOMMIT\n`;
    await run(target, `iptables${flavour}-restore`, ["--noflush", "--test"], rules);
  }

  async read(target: LbTarget): Promise<Reading> {
    const saved = await savedRules(target, await this.#iptables(target));
    const ipvs = withIpvs(target, () =>
      FAMILIES.some((family) => marksOf(saved[family]).length > 0)
        ? ipvsLists()
        : { services: [], destinations: new Map() },
    );
    const interfaces = inside(target, "addresses", interfacesHere);
    const found = stateOf({ saved, ...ipvs, ...interfaces });
    const state = found !== undefined && mayHold(target, found) ? found : EMPTY;
    const blocked = blockedAt(target, state.published);
    const open = inside(target, "route_localnet", () => state.published.filter((p) => this.#localnet.isOpenFor(p)));
    return { state: { ...state, published: open, sysctls: {} }, blocked };
  }

  async change(target: LbTarget, ops: readonly LbOp[], desired: LbState): Promise<Changed> {
    const publishing = ops.some(({ op }) => op.startsWith("published."));
    if (publishing) this.#localnet.close(target, desired.published); // while the rules still guard it
    await this.#restore(target, ops, desired);
    if (!publishing) return { times: undefined };
    this.#localnet.open(target, desired.published);
    return { times: undefined, blocked: blockedAt(target, desired.published) };
  }

  async held(target: LbTarget): Promise<Held> {
    const saved = await savedRules(target, await this.#iptables(target));
    return {
      services: servicesOf(saved),
      addresses: FAMILIES.flatMap((family) => notedAddresses(saved[family], family)),
      vips: new Set(FAMILIES.flatMap((family) => notedVips(saved[family], family))),
    };
  }

  async remove(target: LbTarget): Promise<void> {
    const flavour = await this.#iptables(target);
    const saved = await savedRules(target, flavour);
    for (const family of FAMILIES)
      await restoreRules(target, flavour, family, restoreText(saved[family], EMPTY, EVERY_CHAIN, family));
  }

  /** Nothing is. */
  forget(): void {}

  isReal(address: LocalAddress, { servers }: LbState): boolean {
    return isReal(balancedHere(servers), address);
  }

  async #restore(target: LbTarget, ops: readonly LbOp[], desired: LbState): Promise<void> {
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
    // Of chains that were not as we would write them nothing was read, and nobody would know of their services.
    removeOrphans(target, servicesOf(saved), desired);
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

const servicesOf = (saved: Readonly<Record<Family, Saved>>): readonly ServiceId[] =>
  FAMILIES.flatMap((family) => marksOf(saved[family]).map((mark) => ({ mark, family })));

/** By nftables' chains. iptables' own is one of them: where we have let them pass there, it is seen to. */
function blockedAt(target: LbTarget, published: readonly PublishedPort[]): string | undefined {
  if (published.length === 0) return undefined;
  const chains = inside(target, "nftables", () => forwardChains(undefined, ""));
  return inTheWay(chains, published);
}
