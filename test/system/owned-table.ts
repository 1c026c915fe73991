/** A table that somebody else owns, so that nobody but iptables can redirect port 53 of 127.0.0.11 there: as on a kernel without nf_tables. */
import { expect, onTestFinished } from "vitest";
import { NETLINK_NETFILTER, Netlink } from "../../src/os/netlink/connection.ts";
import { MessageWriter } from "../../src/os/netlink/write.ts";
import { inNetns } from "../../src/os/netns.ts";
import { FAMILY, NF_TABLES } from "../../src/os/nftables/message.ts";

export const REDIRECT_TABLE = "eleven_dns_127_0_0_11_53";
const [BEGIN, END, CREATE, OWNED] = [16, 17, 0x400, 2] as const;

/** Until the end of the test. */
export async function ownRedirectTable(netns: string): Promise<void> {
  const owner = inNetns(netns, () => new Netlink(NETLINK_NETFILTER));
  onTestFinished(() => owner.close());
  const to = new MessageWriter();
  to.message(BEGIN, 0, [0, 0, 0, 10]);
  to.message(NF_TABLES.NEWTABLE, CREATE, [FAMILY.ip, 0, 0, 0], () => to.text(1, REDIRECT_TABLE).be32(2, OWNED));
  to.message(END, 0, [0, 0, 0, 10]);
  expect(await owner.transact("owner", to)).toEqual(new Map());
}
