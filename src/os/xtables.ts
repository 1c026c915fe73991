/** How much is in the tables of iptables' legacy flavour. linux/netfilter_ipv4/ip_tables.h. */
import { readFileSync } from "node:fs";
import { libc } from "./libc.ts";
import { AF_INET, AF_INET6 } from "./sockaddr.ts";
import { withSocket } from "./socket.ts";

/** struct ipt_getinfo: name 32 | valid_hooks 4 | hook_entry 20 | underflow 20 | num_entries 4 | size 4 */
const GET_INFO = 64;
const INFO = 84;

const FAMILIES = [
  { family: AF_INET, level: 0, names: "/proc/thread-self/net/ip_tables_names" },
  { family: AF_INET6, level: 41, names: "/proc/thread-self/net/ip6_tables_names" },
] as const;

/** Entries and octets of each table that is there, in the network namespace of this thread: a rule more or less is seen. */
export function xtablesSizes(): string {
  let text = "";
  for (const { family, level, names } of FAMILIES)
    for (const table of tables(names)) text += `${family} ${table} ${info(family, level, table)}\n`;
  return text;
}

/** Only these are asked for: to ask for a table makes it, and then every packet goes through it. */
function tables(names: string): string[] {
  try {
    return readFileSync(names, "latin1").split("\n").filter(Boolean).sort();
  } catch {
    return []; // a kernel without them
  }
}

const info = (family: number, level: number, table: string): string =>
  withSocket(family, (fd) => {
    const [raw, length] = [Buffer.alloc(INFO), Buffer.alloc(4)];
    raw.write(table, "latin1");
    length.writeUInt32LE(INFO);
    if (libc().getsockopt(fd, level, GET_INFO, raw, length) < 0) return "";
    return `${raw.readUInt32LE(76)} ${raw.readUInt32LE(80)}`;
  });
