/** Marks and sources by a table of our own, `inet eleven`. */

import { familyOf } from "../../../../model/address.ts";
import type { ServiceId } from "../../../../os/netlink/ipvs.ts";
import { ipvsLists } from "../../../../os/netlink/ipvs-lists.ts";
import { nftGeneration } from "../../../../os/netlink/nfnetlink.ts";
import { xtablesSizes } from "../../../../os/xtables.ts";
import type { LbOp, LbState, LbTarget, LocalAddress } from "../../../state.ts";
import { inside } from "../../common/failure.ts";
import type { Localnet } from "../../common/localnet.ts";
import { addressesThere, type Look } from "../../common/watched.ts";
import { closeForwarding, openForwarding, reachable } from "../../inet-table/firewalls.ts";
import { InetTable } from "../../inet-table/table.ts";
import { unreachedVips } from "../addresses.ts";
import { balancedBy } from "../balanced.ts";
import { interfacesHere } from "../interfaces.ts";
import { type Changed, type Held, IPVS, IPVS_OF_SANDBOX, type Reading, type Rules } from "../rules.ts";
import { isLocal } from "../server.ts";
import { removeOrphans } from "../services.ts";
import { withIpvs } from "../with-ipvs.ts";
import { MARKS } from "./parts.ts";

export class TableRules implements Rules {
  readonly #table = new InetTable(MARKS);
  readonly #localnet: Localnet;

  constructor(localnet: Localnet) {
    this.#localnet = localnet;
  }

  readonly looks = LOOKS;

  probe(target: LbTarget): Promise<void> {
    return this.#table.probe(target);
  }

  async read(target: LbTarget): Promise<Reading> {
    const state = this.#look(target);
    const { published, blocked } = await reachable(target, state.published, this.#localnet);
    const interfaces = inside(target, "addresses", interfacesHere);
    const unreached = unreachedVips(state.servers, interfaces);
    const addresses = state.addresses.filter((a) =>
      this.isReal(a) ? interfaces.addresses.has(`${host(a.address)} ${a.device}`) : !unreached.has(a.address),
    );
    return { state: { ...state, addresses, published }, blocked };
  }

  async change(target: LbTarget, ops: readonly LbOp[], desired: LbState): Promise<Changed> {
    if (!this.#table.isKnown(target)) this.#look(target);
    const publishing = ops.some(({ op }) => op.startsWith("published."));
    if (publishing) this.#localnet.close(target, desired.published); // while the rules still guard it
    removeOrphans(target, this.#damaged(target), desired); // the table is written anew, and nobody would know of them
    const times = await this.#table.change(target, ops, desired);
    if (!publishing) return { times };
    if (desired.published.length > 0)
      return { times: undefined, blocked: await openForwarding(target, desired.published, this.#localnet) };
    await closeForwarding(target);
    return { times: undefined, blocked: undefined };
  }

  async held(target: LbTarget): Promise<Held> {
    const { servers, addresses } = this.#look(target);
    const marks = new Map(
      servers.map(({ mark, vip }) => [`${mark} ${familyOf(vip)}`, { mark, family: familyOf(vip) }]),
    );
    return {
      services: [...marks.values(), ...this.#damaged(target)],
      addresses,
      vips: new Set(servers.filter(isLocal).map(({ vip }) => vip)),
    };
  }

  async remove(target: LbTarget): Promise<void> {
    if (!this.#table.isKnown(target)) this.#look(target);
    await this.#table.remove(target);
    this.#table.forget(target);
    if (target.kind === "host") await closeForwarding(target);
  }

  forget(target: LbTarget): void {
    this.#table.forget(target);
  }

  /** One on "lo" is there for ping only, which the table sees to. */
  isReal({ device }: LocalAddress): boolean {
    return device !== "lo";
  }

  /** Services of a table that is not as we would write it. */
  #damaged(target: LbTarget): readonly ServiceId[] {
    const marks = this.#table.damagedMarks(target);
    return marks.flatMap((mark) => ([4, 6] as const).map((family) => ({ mark, family })));
  }

  #look(target: LbTarget): LbState {
    let whole: ReturnType<typeof balancedBy> | undefined;
    return this.#table.look(target, (server) => {
      whole ??= withIpvs(target, () => balancedBy(ipvsLists()));
      return whole(server);
    });
  }
}

/** IPVS announces nothing; on the host, iptables has what lets published connections pass. */
const LOOKS: Readonly<Record<LbTarget["kind"], readonly Look[]>> = {
  sandbox: [IPVS_OF_SANDBOX, nftGeneration],
  network: [IPVS, nftGeneration, addressesThere],
  ingress: [IPVS, nftGeneration, addressesThere],
  host: [nftGeneration, xtablesSizes],
};

/** As interfaces are listed. */
const host = (address: string): string => `${address}/${familyOf(address) === 6 ? 128 : 32}`;
