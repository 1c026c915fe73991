/**
 * The types of what rules match and of what is in sets: their text, as nft writes it, to octets and back. Octets are latin1 text.
 *
 *   10.0.1.5 -> 0a000105    tcp . 8080 -> 06000000 1f900000    (fields of a concatenation are padded to 4 octets)
 *
 * Numbers of packets are in network order; numbers that the kernel made up itself (marks, say) in the machine's.
 */
import { addressBytes, addressText } from "../../model/address.ts";

export interface DataType {
  /** nft's number for it, where it may be in sets: the kernel keeps it for nft. */
  readonly id?: number;
  /** How many octets. */
  readonly size: number;
  /** In the machine's byte order. */
  readonly host?: true;
  /** Undefined if the text is none of this type. */
  write(text: string): string | undefined;
  read(octets: string): string;
}

const address = (id: number, size: number): DataType => ({
  id,
  size,
  write: (text) => {
    const octets = addressBytes(text);
    return octets?.length === size ? octets : undefined;
  },
  read: addressText,
});

/** Some numbers have names. */
function number(
  id: number | undefined,
  size: 1 | 2 | 4,
  order: "host" | "network",
  names: Record<string, number> = {},
): DataType {
  const byName = new Map(Object.entries(names));
  const byNumber = new Map(Object.entries(names).map(([name, value]) => [value, name]));
  return {
    ...(id !== undefined && { id }),
    ...(order === "host" && { host: true }),
    size,
    write: (text) => {
      const value = byName.get(text) ?? (/^\d{1,10}$/.test(text) ? Number(text) : 2 ** 32);
      return value < 2 ** (8 * size) ? numberOctets(value, size, order) : undefined;
    },
    read: (octets) => {
      const value = numberOf(octets, order);
      return byNumber.get(value) ?? `${value}`;
    },
  };
}

/** `"eth0"`: 16 octets, the name and zeros. */
const ifname: DataType = {
  id: 41,
  size: 16,
  host: true,
  write: (text) => {
    const octets = Buffer.from(/^"(.+)"$/s.exec(text)?.[1] ?? "").toString("latin1");
    return octets.length > 0 && octets.length < 16 && !octets.includes("\0") ? octets.padEnd(16, "\0") : undefined;
  },
  read: (octets) => `"${Buffer.from(octets.replace(/\0.*$/s, ""), "latin1")}"`,
};

const ICMP = { "echo-reply": 0, "echo-request": 8 };
const ICMPV6 = { "echo-request": 128, "echo-reply": 129 };

export const TYPES = {
  ipv4_addr: address(7, 4),
  ipv6_addr: address(8, 16),
  inet_proto: number(12, 1, "network", { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, sctp: 132 }),
  inet_service: number(13, 2, "network"),
  mark: number(19, 4, "host"),
  ifname,
  /** What a rule counted or hashed. nft has no name for it and writes where it comes from: `typeof numgen inc mod 2`. */
  number: number(4, 4, "host"),
  nfproto: number(undefined, 1, "network", { ipv4: 2, ipv6: 10 }),
  icmp_type: number(undefined, 1, "network", ICMP),
  icmpv6_type: number(undefined, 1, "network", ICMPV6),
  fib_addrtype: number(undefined, 4, "host", { unicast: 1, local: 2, broadcast: 3, multicast: 5 }),
  /** TCP's. */
  tcp_flag: number(undefined, 1, "network", { fin: 1, syn: 2, rst: 4, ack: 16 }),
  ct_state: number(undefined, 4, "host", { established: 2, related: 4, new: 8 }),
  ct_dir: number(undefined, 1, "network", { original: 0, reply: 1 }),
  ct_status: number(undefined, 4, "host", { snat: 16, dnat: 32 }),
} satisfies Record<string, DataType>;

export type TypeName = keyof typeof TYPES;

/** Octets of a concatenation. Throws an Error if the text is none of these types. */
export function octetsOf(types: readonly TypeName[], text: string): string {
  const octets = types.length === 1 ? TYPES[types[0]!].write(text) : concatenated(types, text.split(" . "));
  if (octets === undefined) throw new Error(`"${text}" is no ${types.join(" . ")}`);
  return octets;
}

function concatenated(types: readonly TypeName[], parts: readonly string[]): string | undefined {
  if (parts.length !== types.length) return undefined;
  let out = "";
  for (let i = 0; i < types.length; i++) {
    const octets = TYPES[types[i]!].write(parts[i]!);
    if (octets === undefined) return undefined;
    out += padded(octets);
  }
  return out;
}

/** Text of a concatenation; undefined if there are more octets, or fewer. */
export function textOf(types: readonly TypeName[], octets: string): string | undefined {
  if (octets.length !== sizeOf(types)) return undefined;
  if (types.length === 1) return TYPES[types[0]!].read(octets);
  let at = 0;
  const parts = types.map((name) => {
    const { size, read } = TYPES[name];
    const part = octets.slice(at, at + size);
    at += padding(size);
    return read(part);
  });
  return parts.join(" . ");
}

/** Octets that a concatenation takes. */
export const sizeOf = (types: readonly TypeName[]): number =>
  types.length === 1 ? TYPES[types[0]!].size : types.reduce((sum, name) => sum + padding(TYPES[name].size), 0);

/** nft's number for a concatenation: six bits for each type. */
export const idOf = (types: readonly TypeName[]): number =>
  types.reduce((id, name) => (id << 6) | (TYPES[name].id ?? 0), 0);

const padding = (size: number): number => (size + 3) & ~3;
export const padded = (octets: string): string =>
  octets.length % 4 === 0 ? octets : octets.padEnd(padding(octets.length), "\0");

function numberOctets(value: number, size: 1 | 2 | 4, order: "host" | "network"): string {
  const [a, b, c, d] = [value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24];
  if (size === 1) return String.fromCharCode(a);
  if (size === 2) return order === "host" ? String.fromCharCode(a, b) : String.fromCharCode(b, a);
  return order === "host" ? String.fromCharCode(a, b, c, d) : String.fromCharCode(d, c, b, a);
}

function numberOf(octets: string, order: "host" | "network"): number {
  let value = 0;
  for (let i = 0; i < octets.length; i++)
    value = value * 256 + octets.charCodeAt(order === "host" ? octets.length - 1 - i : i);
  return value;
}
