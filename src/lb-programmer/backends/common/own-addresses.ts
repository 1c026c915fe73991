/**
 * VIPs as addresses of interfaces, told from what others have put there: ours carry a mark of their own in the kernel. An address that the
 * agent has put there is the agent's, even if it is a VIP: it is neither touched nor ever taken away.
 */
import { release } from "node:os";
import { familyOf } from "../../../model/address.ts";
import { addAddress, type InterfaceAddress, interfaceAddresses, removeAddress } from "../../../os/netlink/rtnetlink.ts";

/** `ip -d address` shows it as "proto 11". The kernel's own are 1 to 3. */
const OURS = 11;

export interface AddressChange {
  readonly added: readonly InterfaceAddress[];
  readonly removed: readonly InterfaceAddress[];
}

/** In the namespace of this thread. What is there, or gone, already is no error. */
export function changeOwnAddresses(change: AddressChange, options: { deprecated?: boolean } = {}): void {
  if (change.added.length + change.removed.length === 0) return;
  const { added, removed } = ownOf(change);
  for (const a of added) addAddress(a, { deprecated: options.deprecated === true && familyOf(a.address) === 6 });
  for (const a of removed) removeAddress(a);
}

/** Of a change, in the namespace of this thread, what is not about addresses of others, and takes away what is there; with our mark. */
export function ownOf({ added, removed }: AddressChange): AddressChange {
  const there = interfaceAddresses();
  const others = new Set(there.filter(isOthers).map(sameness));
  const present = new Set(there.map(sameness));
  const mine = (a: InterfaceAddress): boolean => !others.has(sameness(a));
  return {
    added: added.filter(mine).map((a) => ({ ...a, protocol: OURS })),
    removed: removed.filter((a) => mine(a) && present.has(sameness(a))),
  };
}

/** An IPv6 address can be on an interface once only, whatever its range; an IPv4 address once in each. */
const sameness = ({ address, prefix, device }: InterfaceAddress): string =>
  familyOf(address) === 6 ? `${device} ${address}` : `${device} ${address}/${prefix}`;

/** Where the kernel can't say whose an address is, it is ours if it is a VIP. */
const isOthers = ({ protocol }: InterfaceAddress): boolean => MARKS && protocol !== OURS;

/** Linux 5.18 or later. */
const [major = 0, minor = 0] = release()
  .split(".")
  .map((part) => Number.parseInt(part, 10));
const MARKS = major > 5 || (major === 5 && minor >= 18);
