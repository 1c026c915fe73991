/**
 * Addresses put on interfaces and taken away, in any network namespace. The kernel has one lock for the interfaces of all namespaces, and
 * whoever removes hundreds of them (a container that ends) has it for a quarter of a second: so a thread of node's pool waits for it.
 */
import { OsError } from "../error.ts";
import { inNetns } from "../netns.ts";
import { TURNS } from "../turns.ts";
import { NETLINK_ROUTE, Netlink, refused } from "./connection.ts";
import {
  askingForDevice,
  EADDRNOTAVAIL,
  ENODEV,
  type InterfaceAddress,
  indexIn,
  nameOfAddress,
  writeAddress,
} from "./rtnetlink.ts";
import { MessageWriter } from "./write.ts";

export interface AddressChanges {
  readonly added: readonly InterfaceAddress[];
  readonly removed: readonly InterfaceAddress[];
}

/** What is there, or gone, already is no error. Rejects with an OsError; what it is not about is done all the same. For the host's own namespaces. */
export async function changeAddresses(netns: string | undefined, changes: AddressChanges): Promise<void> {
  const netlink = inNetns(netns, () => new Netlink(NETLINK_ROUTE));
  try {
    await TURNS.own.run("addresses", () => change(netlink, changes));
  } finally {
    netlink.close();
  }
}

async function change(netlink: Netlink, { added, removed }: AddressChanges): Promise<void> {
  const all = [
    ...removed.map((address) => ({ address, add: false })),
    ...added.map((address) => ({ address, add: true })),
  ];
  const devices = await indexesOf(netlink, new Set(all.map(({ address }) => address.device)));
  const there = all.flatMap(({ address, add }) => {
    const index = devices.get(address.device);
    return index === undefined ? [] : [{ address, add, index }];
  });
  const to = new MessageWriter();
  for (const { address, add, index } of there) writeAddress(to, address, index, add);
  const refusals = there.length === 0 ? [] : await netlink.transact("addresses", to);
  for (const [i, refusal] of refusals) {
    const { address, add } = there[i]!;
    if (add || refusal.errno !== EADDRNOTAVAIL)
      throw refused(`address ${add ? "add" : "remove"}`, refusal, nameOfAddress(address));
  }
  const nowhere = added.find(({ device }) => !devices.has(device));
  if (nowhere !== undefined) throw new OsError("address add", ENODEV, nameOfAddress(nowhere));
}

async function indexesOf(netlink: Netlink, devices: ReadonlySet<string>): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>();
  for (const device of devices) {
    const asking = askingForDevice(device);
    if (asking === undefined) continue;
    try {
      const index = indexIn(await netlink.askElsewhere("interface", asking, device));
      if (index !== undefined) found.set(device, index);
    } catch (error) {
      if (!(error instanceof OsError) || error.errno !== ENODEV) throw error;
    }
  }
  return found;
}
