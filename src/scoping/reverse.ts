/**
 * Reverse names by arithmetic: which belong to given subnets, whose reverse zones we serve ourselves (RFC 6303). Works for any
 * prefix length, also those that end within a label.
 */
import { nameKey } from "../model/name.ts";

/** What a name in in-addr.arpa or ip6.arpa stands for. */
export const ADDRESS = "address";
/** The beginning of an address (1.0.10.in-addr.arpa), or one of the two zones itself. */
export const PREFIX = "prefix";
/** Below in-addr.arpa or ip6.arpa, but no address or beginning of one. */
export const OTHER = "other";

/** Length of a subnet's prefix, then its base in octets: what `readReverse` is compared with. */
export const subnetText = (bits: number, base: string): string => String.fromCharCode(bits) + base;

const IN_ADDR = nameKey("in-addr.arpa");
const IP6 = nameKey("ip6.arpa");

// The name read last: where its labels start, the suffix's start behind them, and how many from the back are address parts.
const starts = new Uint8Array(128);
let labels = 0;
let parts = 0;
let perLabel = 0;
let full = 0;

/** Reads a name for `subnetOf`; undefined if it is not below in-addr.arpa or ip6.arpa. */
export function readReverse(key: string): typeof ADDRESS | typeof PREFIX | typeof OTHER | undefined {
  if (key.charCodeAt(key.length - 1) !== 0x61) return undefined; // most names don't end in "a"
  const suffix = key.endsWith(IN_ADDR) ? IN_ADDR : key.endsWith(IP6) ? IP6 : undefined;
  if (suffix === undefined) return undefined;
  const end = key.length - suffix.length;
  labels = 0;
  for (let at = 0; at < end; at += key.charCodeAt(at) + 1) starts[labels++] = at;
  perLabel = suffix === IN_ADDR ? 8 : 4;
  full = suffix === IN_ADDR ? 4 : 32;
  starts[labels] = end;
  if (labels > 0 && starts[labels - 1]! + key.charCodeAt(starts[labels - 1]!) + 1 !== end) return undefined; // within a label
  for (parts = 0; parts < labels && parts < full; parts++) if (part(key, parts) < 0) break;
  if (parts < labels) return OTHER;
  return parts === full ? ADDRESS : PREFIX;
}

/** Where in the name read last the zone of the first of these subnets that holds it begins, or -1. */
export function subnetOf(key: string, subnets: readonly string[]): number {
  for (const subnet of subnets) {
    const bits = subnet.charCodeAt(0);
    if (subnet.length - 1 !== (full * perLabel) / 8 || bits > parts * perLabel || !holds(subnet, bits, key)) continue;
    // Zones begin at labels. A prefix that ends within an address's last label has its zone one label up (RFC 2317 knows none).
    const inZone = Math.min(Math.ceil(bits / perLabel), full - 1);
    return starts[labels - inZone]!;
  }
  return -1;
}

function holds(subnet: string, bits: number, key: string): boolean {
  for (let i = 0; i * perLabel < bits; i++) {
    const octet = subnet.charCodeAt(1 + ((i * perLabel) >> 3));
    const wanted = perLabel === 8 ? octet : (i & 1) === 0 ? octet >> 4 : octet & 15;
    const free = Math.max(0, (i + 1) * perLabel - bits);
    if (wanted >> free !== part(key, i) >> free) return false;
  }
  return true;
}

/** The value of the `i`th label from the back, or -1: decimal without leading zeros, or one hexadecimal digit. */
function part(key: string, i: number): number {
  const start = starts[labels - 1 - i]!;
  const length = key.charCodeAt(start);
  const first = digit(key, start + 1);
  if (perLabel === 4) return length === 1 ? first : -1;
  if (length > 3 || (length > 1 && first === 0)) return -1;
  let value = 0;
  for (let at = start + 1; at <= start + length; at++) {
    const d = digit(key, at);
    if (d < 0 || d > 9) return -1;
    value = value * 10 + d;
  }
  return value > 255 ? -1 : value;
}

function digit(key: string, at: number): number {
  const c = key.charCodeAt(at);
  return c >= 48 && c <= 57 ? c - 48 : c >= 97 && c <= 102 ? c - 87 : -1;
}
