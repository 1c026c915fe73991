/** VIPs as addresses of real interfaces. */
import { familyOf } from "../../../model/address.ts";
import { changeAddresses as changeThem } from "../../../os/netlink/change-addresses.ts";
import { interfaceAddresses } from "../../../os/netlink/rtnetlink.ts";
import type { LbTarget, LocalAddress } from "../../state.ts";
import { inside, lbError } from "../common/failure.ts";
import { ownOf } from "../common/own-addresses.ts";

/** Adds and removes; what is there, or gone, already is no error. */
export async function changeAddresses(
  target: LbTarget,
  added: readonly LocalAddress[],
  removed: readonly LocalAddress[],
): Promise<void> {
  const change = { added: added.filter(isReal).map(whole), removed: removed.filter(isReal).map(whole) };
  if (change.added.length + change.removed.length === 0) return;
  const own = inside(target, "addresses", () => ownOf(change));
  try {
    await changeThem(target.netns, own);
  } catch (error) {
    throw lbError(target, "addresses", error);
  }
}

/** Those of `addresses` that their interfaces really have. */
export function present(target: LbTarget, addresses: readonly LocalAddress[]): readonly LocalAddress[] {
  if (!addresses.some(isReal)) return addresses;
  const there = new Set(
    inside(target, "addresses", interfaceAddresses).map(({ address, device }) => `${device} ${address}`),
  );
  return addresses.filter((a) => !isReal(a) || there.has(`${a.device} ${a.address}`));
}

/** One on "lo" is there for ping only, which the table sees to. */
const isReal = ({ device }: LocalAddress): boolean => device !== "lo";

const whole = (a: LocalAddress) => ({ ...a, prefix: familyOf(a.address) === 6 ? 128 : 32 });
