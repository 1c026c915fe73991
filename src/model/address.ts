/** IPv4 and IPv6 addresses: text to bytes and back, ranges, reverse names. Pure; bytes travel as latin1 strings (one char an octet). */

/** The address's 4 or 16 octets as a latin1 string, or undefined if the text is no address. Zone ids ("%eth0") are refused. */
export function addressBytes(text: string): string | undefined {
  return text.includes(":") ? bytes6(text) : bytes4(text);
}

/** Of what is known to be an address, or a range of them: 4 or 6. */
export const familyOf = (address: string): 4 | 6 => (address.includes(":") ? 6 : 4);

/** "192.0.2.1:53", "[fd00::1]:53". */
export const placeText = (address: string, port: number): string =>
  familyOf(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`;

/** Canonical text of 4 or 16 octets (RFC 5952 for IPv6). */
export function addressText(bytes: string): string {
  if (bytes.length !== 4) return text6(bytes);
  const octet = (i: number): number => bytes.charCodeAt(i);
  return `${octet(0)}.${octet(1)}.${octet(2)}.${octet(3)}`;
}

/** Canonical form of an address, or undefined: "FD00::0:2" becomes "fd00::2". */
export function canonicalAddress(text: string): string | undefined {
  const bytes = addressBytes(text);
  return bytes === undefined ? undefined : addressText(bytes);
}

/** Lookup key under which an address (its octets) is found backwards: 4.3.2.1.in-addr.arpa, ….ip6.arpa (RFC 1035 3.5, RFC 3596 2.5). */
export function reverseKey(bytes: string): string {
  const labels: string[] = [];
  for (let i = bytes.length - 1; i >= 0; i--) {
    const octet = bytes.charCodeAt(i);
    if (bytes.length === 4) labels.push(DECIMAL[octet]!);
    else labels.push(NIBBLE[octet & 15]!, NIBBLE[octet >> 4]!);
  }
  labels.push(bytes.length === 4 ? "\x07in-addr\x04arpa" : "\x03ip6\x04arpa");
  return labels.join("");
}

const DECIMAL = Array.from({ length: 256 }, (_, n) => String.fromCharCode(String(n).length) + n);
const NIBBLE = Array.from({ length: 16 }, (_, n) => `\x01${n.toString(16)}`);

/** An address range: `base` is masked, `bits` counts the fixed bits. */
export interface Cidr {
  readonly base: string;
  readonly bits: number;
  readonly family: 4 | 6;
}

/** "10.0.1.0/24". */
export const cidrText = ({ base, bits }: Cidr): string => `${addressText(base)}/${bits}`;

/** Reads "10.0.1.0/24"; undefined if it is none or has host bits set. */
export function parseCidr(text: string): Cidr | undefined {
  const around = rangeAround(text);
  return around?.base === addressBytes(text.split("/", 1)[0]!) ? around : undefined;
}

/** The range that an address with its prefix length is in: "10.0.1.5/24" is in 10.0.1.0/24. */
export function rangeAround(text: string): Cidr | undefined {
  const [address = "", length = ""] = text.split("/", 2);
  const bytes = addressBytes(address);
  if (bytes === undefined || !/^\d{1,3}$/.test(length) || text.split("/").length !== 2) return undefined;
  const bits = Number(length);
  if (bits > bytes.length * 8) return undefined;
  return { base: maskBytes(bytes, bits), bits, family: bytes.length === 4 ? 4 : 6 };
}

/** Canonical form of an address or a range, or undefined if the text is neither: "FD00::0/64" becomes "fd00::/64". */
export function canonicalRange(text: string): string | undefined {
  const cidr = parseCidr(text);
  return cidr === undefined ? canonicalAddress(text) : `${addressText(cidr.base)}/${cidr.bits}`;
}

/** True if the address, given as text, lies in the range. */
export function inCidr(cidr: Cidr, address: string): boolean {
  const bytes = addressBytes(address);
  return bytes !== undefined && maskBytes(bytes, cidr.bits) === cidr.base; // octets of two families never are equal
}

/** True if the two ranges share an address. */
export function cidrsOverlap(a: Cidr, b: Cidr): boolean {
  const bits = Math.min(a.bits, b.bits);
  return maskBytes(a.base, bits) === maskBytes(b.base, bits); // never equal where families differ
}

function maskBytes(bytes: string, bits: number): string {
  let out = "";
  for (let i = 0; i < bytes.length; i++) {
    const keep = Math.min(8, Math.max(0, bits - i * 8));
    out += String.fromCharCode(bytes.charCodeAt(i) & (0xff00 >> keep) & 0xff);
  }
  return out;
}

/** Character by character: tens of thousands at a time are written to the kernel. */
function bytes4(text: string): string | undefined {
  let [packed, octet, digits, dots] = [0, 0, 0, 0];
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : DOT;
    if (code >= ZERO && code <= ZERO + 9 && (octet > 0 || digits === 0)) {
      octet = octet * 10 + code - ZERO;
      if (++digits > 3) return undefined;
    } else if (code === DOT && digits > 0 && octet < 256 && ++dots <= 4) {
      packed = (packed << 8) | octet;
      octet = digits = 0;
    } else return undefined;
  }
  if (dots !== 4) return undefined;
  return String.fromCharCode(packed >>> 24, (packed >> 16) & 255, (packed >> 8) & 255, packed & 255);
}

const [DOT, ZERO] = [46, 48] as const;

function bytes6(text: string): string | undefined {
  let source = text;
  const lastColon = text.lastIndexOf(":");
  if (text.includes(".")) {
    const tail = bytes4(text.slice(lastColon + 1));
    if (tail === undefined) return undefined;
    source = `${text.slice(0, lastColon + 1)}${hex16(tail, 0)}:${hex16(tail, 2)}`;
  }
  const halves = source.split("::");
  if (halves.length > 2) return undefined;
  const [head = [], tail = []] = halves.map((h) => (h === "" ? [] : h.split(":")));
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head, ...Array<string>(missing).fill("0"), ...tail];
  if (!groups.every((g) => /^[0-9a-f]{1,4}$/i.test(g))) return undefined;
  return groups.map((g) => String.fromCharCode(Number.parseInt(g, 16) >> 8, Number.parseInt(g, 16) & 255)).join("");
}

/** IPv4-mapped addresses are written mixed (RFC 5952 5), as the kernel and Node write them. */
const MAPPED = `${"\0".repeat(10)}\xff\xff`;

const hex16 = (b: string, i: number): string => ((b.charCodeAt(i) << 8) | b.charCodeAt(i + 1)).toString(16);

function text6(bytes: string): string {
  if (bytes.startsWith(MAPPED)) return `::ffff:${addressText(bytes.slice(12))}`;
  const groups = Array.from({ length: 8 }, (_, i) => hex16(bytes, i * 2));
  let best = { start: 0, length: 1 }; // the longest run of two or more zero groups is written "::", the first of equals
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (groups[i + n] === "0") n++;
    if (n > best.length) best = { start: i, length: n };
  }
  if (best.length < 2) return groups.join(":");
  return `${groups.slice(0, best.start).join(":")}::${groups.slice(best.start + best.length).join(":")}`;
}
