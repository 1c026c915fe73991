/** Types by name, as people write them: those that are met, and TYPE65 for all others (RFC 3597 5). */

const NUMBERS: Readonly<Record<string, number>> = {
  ...{ A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, HINFO: 13, MX: 15, TXT: 16, AAAA: 28, LOC: 29, SRV: 33, NAPTR: 35 },
  ...{ DNAME: 39, DS: 43, SSHFP: 44, RRSIG: 46, NSEC: 47, DNSKEY: 48, NSEC3: 50, TLSA: 52, SVCB: 64, HTTPS: 65 },
  ...{ SPF: 99, ANY: 255, URI: 256, CAA: 257 },
};
const NAMES = new Map(Object.entries(NUMBERS).map(([name, number]) => [number, name]));

/** Undefined if there is no such type. */
export function typeNumber(name: string): number | undefined {
  const upper = name.toUpperCase();
  if (Object.hasOwn(NUMBERS, upper)) return NUMBERS[upper];
  const [, digits] = /^TYPE(\d{1,5})$/.exec(upper) ?? [];
  return digits !== undefined && Number(digits) < 65_536 ? Number(digits) : undefined;
}

export const typeName = (number: number): string => NAMES.get(number) ?? `TYPE${number}`;
