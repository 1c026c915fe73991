/**
 * Counters that have a name: they outlive the rules that count with them. linux/netfilter/nf_tables.h.
 *
 *   object  table 1, name 2, type 3 (1: counter), data 4 { octets 1, packets 2 }
 */
import type { Netlink } from "../netlink/connection.ts";
import type { Attributes } from "../netlink/read.ts";
import { MessageWriter } from "../netlink/write.ts";
import { attributesOf } from "./attributes.ts";
import { NF_TABLES } from "./message.ts";

const [TABLE, NAME, TYPE, DATA] = [1, 2, 3, 4] as const;
const COUNTER = 1;
const PACKETS = 2;
const INET = [1, 0, 0, 0] as const;

export function writeCounter(to: MessageWriter, table: string, name: string): void {
  counterNamed(to, table, name);
  to.nested(DATA, () => {});
}

/** Which one it is. */
export const counterNamed = (to: MessageWriter, table: string, name: string): void =>
  void to.text(TABLE, table).text(NAME, name).be32(TYPE, COUNTER);

export interface FoundObject {
  readonly name: string;
  /** What it has counted; undefined if it is no counter. */
  readonly packets: number | undefined;
}

/** Undefined if it is in another table. */
export function parseObject(from: Attributes, table: string): FoundObject | undefined {
  const name = from.text(NAME);
  if (from.text(TABLE) !== table || name === undefined) return undefined;
  return { name, packets: from.be32(TYPE) === COUNTER ? (from.nested(DATA).be64(PACKETS) ?? 0) : undefined };
}

/** What each of a table's counters has counted. Throws an OsError. */
export function readCounters(netlink: Netlink, table: string): ReadonlyMap<string, number> {
  const to = new MessageWriter().message(NF_TABLES.GETOBJ, 0, INET, (to) => to.text(TABLE, table));
  const found = netlink.dump("nftables", to, (message) => parseObject(attributesOf(message), table), LIMITS);
  return new Map(found.flatMap(({ name, packets }) => (packets === undefined ? [] : [[name, packets]])));
}

const LIMITS = { most: 64 << 20, longest: 2_000 };
