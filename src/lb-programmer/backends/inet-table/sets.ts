/**
 * The maps and sets of our table, which state is put into as elements. Rules look into them (skeleton.ts), and so do we when we read. Each is
 * made when its first element comes, and stays.
 */
import type { TypeName } from "../../../os/nftables/datatype.ts";
import type { NamedSet } from "../../../os/nftables/types.ts";

/** Our table; nothing outside of it is touched. */
export const TABLE = "eleven";

export type Family = 4 | 6;

interface Shape {
  readonly key: readonly Type[];
  readonly value?: readonly Type[] | "verdict" | "counter";
  readonly interval?: true;
}
/** "address": of the set's family. */
type Type = TypeName | "address";

const PORT = ["inet_proto", "inet_service"] as const;

/** Each is there once per address family: "local4", "local6". */
const PER_FAMILY = {
  // Mark of a server -> VIP; the comment holds the rest of the server (comment.ts). Nothing looks it up but us.
  servers: { key: ["mark"], value: ["address"] },
  // VIP -> chain of its server.
  local: { key: ["address"], value: "verdict" },
  arriving: { key: ["address"], value: "verdict" },
  // The same for VIPs with declared ports only: each of them, or ranges. The VIP is among those that are refused.
  "local-ports": { key: ["address", ...PORT], value: "verdict", interval: true },
  "arriving-ports": { key: ["address", ...PORT], value: "verdict", interval: true },
  // Published port -> chain of its server; ranges of them apart, since a map of single ports is faster to look into and to change.
  ports: { key: PORT, value: "verdict" },
  "port-ranges": { key: PORT, value: "verdict", interval: true },
  // Mark of a server . task -> weight: what slots (below) can't tell again.
  tasks: { key: ["mark", "address"], value: ["mark"] },
  // VIPs and ports without a task that takes connections, and VIPs whose other ports are not declared.
  "refused-local": { key: ["address"] },
  "refused-arriving": { key: ["address"] },
  "refused-ports": { key: PORT },
  "refused-ranges": { key: PORT, interval: true },
  // VIPs and ports whose clients keep their address; protocol and original port can't be looked up in one set.
  kept: { key: ["address"] },
  "kept-tcp": { key: ["inet_service"], interval: true },
  "kept-udp": { key: ["inet_service"], interval: true },
  "kept-sctp": { key: ["inet_service"], interval: true },
  // VIP, or published port, that a connection was made to -> counter of its server.
  "bytes-local": { key: ["address"], value: "counter" },
  "bytes-arriving": { key: ["address"], value: "counter" },
  "bytes-tcp": { key: ["inet_service"], value: "counter", interval: true },
  "bytes-udp": { key: ["inet_service"], value: "counter", interval: true },
  "bytes-sctp": { key: ["inet_service"], value: "counter", interval: true },
  // IPVS: VIP, declared port of one, published port -> mark; ports of those that keep their client's address come later, and win.
  "marked-local": { key: ["address"], value: ["mark"] },
  "marked-arriving": { key: ["address"], value: ["mark"] },
  "marked-local-ports": { key: ["address", ...PORT], value: ["mark"], interval: true },
  "marked-arriving-ports": { key: ["address", ...PORT], value: ["mark"], interval: true },
  "marked-kept-ports": { key: ["address", ...PORT], value: ["mark"], interval: true },
  "marked-ports": { key: PORT, value: ["mark"] },
  "marked-port-ranges": { key: PORT, value: ["mark"], interval: true },
  // Marks of servers that take nothing new, those of ports that are not declared, and those whose connections get another source.
  idle: { key: ["mark"] },
  undeclared: { key: ["mark"] },
  masqueraded: { key: ["mark"] },
  // VIPs of servers for this namespace's own connections.
  vips: { key: ["address"] },
  // VIPs that were meant for direct routing.
  direct: { key: ["address"] },
  // VIPs that answer ping by redirection; VIPs on real interfaces, named in the comment.
  ping: { key: ["address"] },
  owned: { key: ["address"] },
  snats: { key: ["address"], value: ["address"], interval: true },
  redirects: { key: ["address", ...PORT], value: ["address", "inet_service"] },
  // Ports published on the host; the comment names the bridge.
  host: { key: PORT, value: ["address", "inet_service"] },
  // Ranges of them, which keep their numbers.
  "host-ranges": { key: PORT, value: ["address"], interval: true },
  // Those that not everybody may reach; and who may.
  limited: { key: PORT, interval: true },
  sources: { key: ["address", ...PORT], interval: true },
} satisfies Record<string, Shape>;

const ONCE = {
  // Ends of comments that are too long for one: mark of the server . number of the piece.
  names: { key: ["mark", "mark"] },
  bridges: { key: ["ifname"] },
} satisfies Record<string, Shape>;

export type Keyed = keyof typeof PER_FAMILY;
/** Name of a map or set. */
export type Name = `${Keyed}${Family}` | keyof typeof ONCE | SlotMap;

/**
 * Maps from a server's slots to its tasks or, with affinity, to the tasks' chains. One map serves the servers of 256 marks. Why 256: to make a map, the kernel looks through all maps of the table (for a free name),
 * and to make a rule that uses a map, through all elements of that map. So one map per server, and one map for all servers, would
 * both take time with the square of the number of servers.
 */
export type SlotMap = `slots${Family}-${number}` | `turns-${number}`;
export const isSlotMap = (name: string): name is SlotMap => /^(slots[46]|turns)-\d{1,5}$/.test(name);

/** Its keys are ranges. */
export const isOfRanges = (name: Name): boolean => SETS.get(name)?.interval === true;

/** Elements of it lead packets to a server. */
export const isLeading = (name: Name): boolean =>
  !isSlotMap(name) && (SETS.get(name)?.value === "verdict" || name.startsWith("marked-"));

/** All but maps of slots. */
export const SETS: ReadonlyMap<string, NamedSet> = new Map(
  [
    ...Object.entries(PER_FAMILY).flatMap(([name, shape]) => [
      made(`${name}4`, shape, "ipv4_addr"),
      made(`${name}6`, shape, "ipv6_addr"),
    ]),
    ...Object.entries(ONCE).map(([name, shape]) => made(name, shape, "ipv4_addr")),
  ].map((set) => [set.name, set]),
);

export const isName = (name: string): name is Name => SETS.has(name) || isSlotMap(name);

export const setNamed = (name: Name): NamedSet => SETS.get(name) ?? slotMap(name);

const slotMap = (name: string): NamedSet => ({
  name,
  key: ["number"],
  value: name.startsWith("turns") ? "verdict" : [name.startsWith("slots6") ? "ipv6_addr" : "ipv4_addr"],
});

/** Clients of a task, for so many seconds after their last connection. */
export const clientSet = (name: string, family: Family, seconds: number): NamedSet => ({
  name,
  key: [family === 6 ? "ipv6_addr" : "ipv4_addr"],
  dynamic: { size: 65_535, timeout: seconds },
});

function made(name: string, { key, value, interval }: Shape, address: TypeName): NamedSet {
  const types = (of: readonly Type[]): TypeName[] => of.map((type) => (type === "address" ? address : type));
  return {
    name,
    key: types(key),
    ...(value !== undefined && { value: typeof value === "string" ? value : types(value) }),
    ...(interval && { interval }),
  };
}
