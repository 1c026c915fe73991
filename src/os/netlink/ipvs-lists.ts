/**
 * What IPVS has in the current network namespace, as lists: all destinations, all connections. Whoever is in the namespace may have filled
 * them, so they are read up to a limit.
 *
 * /proc shows all destinations in one read, but not always: the kernel has one list for all namespaces, and where it begins a piece of
 * 4 KiB it counts this namespace's services, where it goes on it counts everybody's (ip_vs_info_seq_start, ..._next; seen with Linux 6.1).
 * So from the second piece on some are left out. Those are asked for by netlink, one by one.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { addressText } from "../../model/address.ts";
import type { Genetlink } from "./genetlink.ts";
import {
  type IpvsDestination,
  type IpvsService,
  listDestinations,
  listServices,
  type ServiceId,
  withIpvs,
} from "./ipvs.ts";

export interface IpvsLists {
  readonly services: readonly IpvsService[];
  /** By mark. */
  readonly destinations: ReadonlyMap<number, readonly IpvsDestination[]>;
}

/** Octets, and milliseconds. */
interface Limits {
  readonly most: number;
  readonly longest: number;
}
const READ: Limits = { most: 8 << 20, longest: 500 };

/** All services by mark, and the destinations of those that are `asked` for. Throws an OsError: E2BIG if it is too much. */
export function ipvsLists(asked: (service: IpvsService) => boolean = () => true): IpvsLists {
  return withIpvs((netlink) => {
    const left = remaining(READ);
    const services = listServices(netlink, left());
    const destinations = parseRecords(readProc("ip_vs", left()).text);
    const missing = missingIn(services.filter(asked), (mark) => destinations.get(mark)?.length ?? 0);
    const lists = new Map([...destinations].map(([mark, records]) => [mark, records.flat()]));
    for (const service of missing) lists.set(service.mark, []);
    for (const service of missing) lists.get(service.mark)?.push(...listDestinations(netlink, service, left()));
    return { services, destinations: lists };
  });
}

/** What is left of limits that are for several reads together. */
function remaining({ most, longest }: Limits): () => Limits {
  const until = performance.now() + longest;
  return () => ({ most, longest: until - performance.now() });
}

/** Those that /proc does not show: services of both address families may have the same mark, and are shown one after the other. */
function missingIn<T extends ServiceId>(services: readonly T[], shown: (mark: number) => number): readonly T[] {
  const count = new Map<number, number>();
  for (const { mark } of services) count.set(mark, (count.get(mark) ?? 0) + 1);
  return services.filter(({ mark }) => shown(mark) < (count.get(mark) ?? 0));
}

/** Services that a look asks for where /proc does not show all. */
const MOST_ASKED = 64;

/**
 * Something that is another once somebody has changed a service or a destination here. Beyond `most` octets, or `MOST_ASKED` services where
 * /proc does not show all, destinations are not looked at.
 */
export const ipvsLook = (most: number) => (): string => {
  try {
    return withIpvs((netlink) => looked(netlink, remaining({ most, longest: 100 })));
  } catch {
    return ""; // no IPVS, or far too much of it
  }
};

function looked(netlink: Genetlink, left: () => Limits): string {
  const services = listServices(netlink, left());
  const { text, whole } = readProc("ip_vs", left());
  if (whole && [...text.matchAll(/^FWM/gm)].length >= services.length)
    return text.replaceAll(/^( {2}-> .*?) +\d+ +\d+ *$/gm, "$1"); // without the numbers of connections, which change all the time
  const asked = services.slice(0, MOST_ASKED).map((service) => listDestinations(netlink, service, left()));
  return JSON.stringify([services, asked]);
}

/**
 *     FWM  00000100 rr
 *       -> 0A000105:0000      Masq    1      0          0
 *       -> [fd00:0000:0000:0000:0000:0000:0000:0005]:0000      Route   1      0          0
 */
export function parseDestinations(proc: string): Map<number, IpvsDestination[]> {
  return new Map([...parseRecords(proc)].map(([mark, records]) => [mark, records.flat()]));
}

/** The lists of destinations that each mark has: one for each of its services. */
function parseRecords(proc: string): Map<number, IpvsDestination[][]> {
  const out = new Map<number, IpvsDestination[][]>();
  let current: IpvsDestination[] | undefined;
  for (const line of proc.split("\n")) {
    if (line.startsWith("  -> ")) {
      const [where = "", way = "", weight = ""] = line.slice(5).trimEnd().split(/\s+/);
      const colon = where.lastIndexOf(":");
      const port = Number.parseInt(where.slice(colon + 1), 16);
      const forwarding = way === "Masq" ? "masquerade" : way === "Route" ? "direct" : "other";
      if (way !== "Forward")
        current?.push({ address: hexAddress(where.slice(0, colon)), port, weight: Number(weight), forwarding });
    } else if (line.startsWith("FWM")) {
      const mark = Number.parseInt(line.slice(3).trim(), 16);
      current = [];
      const records = out.get(mark);
      if (records === undefined) out.set(mark, [current]);
      else records.push(current);
    } else current = undefined;
  }
  return out;
}

/** States (ip_vs_proto_tcp.c, ip_vs_proto_sctp.c) of connections that are over, or about to be. */
const OVER = new Set(["TIME_WAIT", "CLOSE", "CLOSED", "NONE", "UDP"]);

/** A connection that is balanced. */
export interface IpvsConnection {
  /** Number of the protocol: 6 TCP, 17 UDP, 132 SCTP. */
  readonly protocol: number;
  /** Where the client sent it. */
  readonly to: string;
  readonly port: number;
  /** The destination that it got. */
  readonly by: string;
}

/**
 * Such connections of this namespace that are still open: of TCP and SCTP those on which something may still come. UDP has no end
 * that could be seen.
 */
export function ipvsConnections(such: (connection: IpvsConnection) => boolean): number {
  const { text, whole } = readProc("ip_vs_conn", READ);
  return openConnections(text).filter(such).length || Number(!whole); // in what was not read there may be one
}

/** A file of this thread's namespace, as far as anyone reads it. Throws the file system's error. */
function readProc(name: string, { most, longest }: Limits): { readonly text: string; readonly whole: boolean } {
  const until = performance.now() + longest;
  const fd = openSync(`/proc/thread-self/net/${name}`, "r");
  try {
    let text = "";
    while (text.length <= most && performance.now() < until) {
      const read = readSync(fd, room);
      if (read === 0) return { text, whole: true };
      text += room.latin1Slice(0, read);
    }
    return { text, whole: false };
  } finally {
    closeSync(fd);
  }
}

/** The kernel gives a page at a time, or one service with all of its destinations. */
const room = Buffer.alloc(65_536);

const PROTOCOLS = new Map([
  ["TCP", 6],
  ["UDP", 17],
  ["SCTP", 132],
]);

/** Lines: protocol, client and its port, VIP and its port, destination and its port, state, seconds. Templates have client port 0. */
export function openConnections(proc: string): IpvsConnection[] {
  const open: IpvsConnection[] = [];
  for (const line of proc.split("\n").slice(1)) {
    const [name = "", , clientPort, vip = "", port = "", by = "", , state = ""] = line.trimEnd().split(/\s+/);
    const protocol = PROTOCOLS.get(name);
    if (protocol === undefined || clientPort === "0000" || OVER.has(state) || by === "") continue;
    open.push({ protocol, to: hexAddress(vip), port: Number.parseInt(port, 16), by: hexAddress(by) });
  }
  return open;
}

/** "0A000105", or "[fd00:0000:…]" with or without brackets. */
function hexAddress(hex: string): string {
  const digits = hex.replace(/[[\]:]/g, "");
  return addressText(Buffer.from(digits, "hex").toString("latin1"));
}
