/**
 * The rules that say whose packets IPVS balances, and all else that it has no place for: in a table of nf_tables (table/), or through
 * iptables (iptables/).
 */
import type { ServiceId } from "../../../os/netlink/ipvs.ts";
import { ipvsLook } from "../../../os/netlink/ipvs-lists.ts";
import { nftGeneration } from "../../../os/netlink/nfnetlink.ts";
import { xtablesSizes } from "../../../os/xtables.ts";
import type { LbOp, LbState, LbTarget, LocalAddress } from "../../state.ts";
import { addressesThere, type Look } from "../common/watched.ts";

export interface Rules {
  /** Rejects with an LbError if they can't work there. */
  probe(target: LbTarget): Promise<void>;
  /** What they say, IPVS has, and interfaces show; EMPTY if something is not as we would write it. Without settings. */
  read(target: LbTarget): Promise<Reading>;
  /** Makes them what `desired` has; resolves to how often that has changed nftables' rules, undefined: more often than is known. */
  change(target: LbTarget, ops: readonly LbOp[], desired: LbState): Promise<Changed>;
  /** What is there because of them, in force or not. */
  held(target: LbTarget): Promise<Held>;
  /** All of them go. */
  remove(target: LbTarget): Promise<void>;
  /** What is remembered of the target goes. */
  forget(target: LbTarget): void;
  /** Whether an address of `desired` is one of an interface; a rule sees to it otherwise. */
  isReal(address: LocalAddress, desired: LbState): boolean;
  /** What may show that they were changed. */
  readonly looks: Readonly<Record<LbTarget["kind"], readonly Look[]>>;
}

export interface Reading {
  readonly state: LbState;
  /** What others' rules drop of published connections, and how it is allowed. */
  readonly blocked?: string | undefined;
}

export interface Changed {
  readonly times: number | undefined;
  /** As in a reading, if steps are about published ports. */
  readonly blocked?: string | undefined;
}

export interface Held {
  readonly services: readonly ServiceId[];
  readonly addresses: readonly LocalAddress[];
  /** VIPs that this namespace's own connections are balanced for. */
  readonly vips: ReadonlySet<string>;
}

/** A container may have filled its lists: they are looked at up to some thousand entries, twice a second. */
export const IPVS_OF_SANDBOX: Look = ipvsLook(512 << 10);
export const IPVS: Look = ipvsLook(8 << 20);

/** Whichever rules they are. A container's VIPs are no addresses of its interfaces, of which it may have any number. */
export const EVERY_LOOK: Rules["looks"] = {
  sandbox: [IPVS_OF_SANDBOX, xtablesSizes, nftGeneration],
  network: [IPVS, xtablesSizes, nftGeneration, addressesThere],
  ingress: [IPVS, xtablesSizes, nftGeneration, addressesThere],
  host: [IPVS, xtablesSizes, nftGeneration, addressesThere],
};
