/** VIPs as addresses of real interfaces. */
import { familyOf } from "../../../model/address.ts";
import { interfaceAddresses } from "../../../os/netlink/rtnetlink.ts";
import type { LbTarget, LocalAddress } from "../../state.ts";
import { inside } from "../common/failure.ts";
import { changeOwnAddresses } from "../common/own-addresses.ts";

/** Adds and removes; what is there, or gone, already is no error. */
export function changeAddresses(
  target: LbTarget,
  added: readonly LocalAddress[],
  removed: readonly LocalAddress[],
): void {
  const [add, remove] = [added.filter(isReal).map(whole), removed.filter(isReal).map(whole)];
  if (add.length + remove.length > 0)
    inside(target, "addresses", () => changeOwnAddresses({ added: add, removed: remove }));
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
