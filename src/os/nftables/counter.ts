/**
 * Counters that have a name: they outlive the rules that count with them. linux/netfilter/nf_tables.h.
 *
 *   object  table 1, name 2, type 3 (1: counter), data 4 { octets 1, packets 2 }
 */
import type { DumpLimits, Netlink } from "../netlink/connection.ts";
import type { Attributes } from "../netlink/read.ts";
import { MessageWriter } from "../netlink/write.ts";
import { attributesOf } from "./attributes.ts";
import { COUNTER, NF_TABLES } from "./message.ts";

const [TABLE, NAME, TYPE, DATA] = [1, 2, 3, 4] as const;
const [OCTETS, PACKETS] = [1, 2] as const;
const INET = [1, 0, 0, 0] as const;

export function writeCounter(to: MessageWriter, table: string, name: string): void {
  counterNamed(to, table, name);
  to.nested(DATA, () => {});
}

/** Which one it is. */
export const counterNamed = (to: MessageWriter, table: string, name: string): void =>
  void to.text(TABLE, table).text(NAME, name).be32(TYPE, COUNTER);

/** The kernel's packets: one that it cuts for the wire later, or has put together, is one. Octets have their headers from IP on. */
export interface Counted {
  readonly packets: number;
  readonly bytes: number;
}

export interface FoundObject {
  readonly name: string;
  /** Undefined if it is no counter. */
  readonly counted: Counted | undefined;
}

/** Undefined if it is in another table. */
export function parseObject(from: Attributes, table: string): FoundObject | undefined {
  const name = from.text(NAME);
  if (from.text(TABLE) !== table || name === undefined) return undefined;
  if (from.be32(TYPE) !== COUNTER) return { name, counted: undefined };
  const data = from.nested(DATA);
  return { name, counted: { packets: data.be64(PACKETS) ?? 0, bytes: data.be64(OCTETS) ?? 0 } };
}

/** What each of a table's counters has counted. Throws an OsError: E2BIG if it is more than `limits`. */
export function readCounters(netlink: Netlink, table: string, limits: DumpLimits): ReadonlyMap<string, Counted> {
  const to = new MessageWriter().message(NF_TABLES.GETOBJ, 0, INET, (to) => to.text(TABLE, table));
  const found = netlink.dump("nftables", to, (message) => parseObject(attributesOf(message), table), limits);
  return new Map(found.flatMap(({ name, counted }) => (counted === undefined ? [] : [[name, counted]])));
}
