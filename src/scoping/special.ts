/**
 * Names with a meaning of their own everywhere, asked only when no network knows the name: RFC 6761 and 7686, the zones of
 * RFC 6303 that can be nobody else's (this host, this network), and resolver.arpa (RFC 9462).
 */
import { addressBytes, reverseKey } from "../model/address.ts";
import { nameKey } from "../model/name.ts";
import { TYPE_A, TYPE_AAAA, TYPE_ANY, TYPE_HINFO, TYPE_PTR } from "../wire/constants.ts";
import { hinfoRdata, nameRdata, type RRSet, rrset } from "../wire/rrset.ts";
import { NODATA, NXDOMAIN, type Outcome } from "./outcome.ts";
import { ADDRESS, PREFIX, readReverse } from "./reverse.ts";

/** The answer to ANY: one small record instead of everything (RFC 8482 4.2). */
export const minimalAny: RRSet = rrset(TYPE_HINFO, 3600, [hinfoRdata("RFC8482", "")]);

export interface SpecialZone {
  readonly apex: string;
  /** What is said of the zone's own name, or of a name below it. */
  readonly answer: (key: string, type: number) => Outcome;
  /** The root says that no such names exist: nobody is asked, but the zone is not ours either, and the SOA is the root's. */
  readonly denied?: true;
  /** If an upstream is configured for this very domain, that one is asked instead. */
  readonly yields?: true;
  /** Docker forwards it, so with `compat: docker` it is forwarded. */
  readonly dockerAsks?: true;
}

/** The zone that a name lies in, or undefined for all other names. */
export function specialZone(key: string): SpecialZone | undefined {
  const last = key.length > 0 ? key.charCodeAt(key.length - 1) : 0;
  if (last === 0x74) return under(key, LOCALHOST.apex) ? LOCALHOST : undefined;
  if (last === 0x64) return under(key, INVALID.apex) ? INVALID : undefined;
  if (last === 0x6e) return under(key, ONION.apex) ? ONION : undefined;
  if (last === 0x61) for (const zone of ARPA) if (under(key, zone.apex)) return zone;
  return undefined;
}

/** The name itself or anything below it: the match must begin where a label does. */
export function under(key: string, parent: string): boolean {
  if (!key.endsWith(parent)) return false;
  let at = 0;
  while (at < key.length - parent.length) at += key.charCodeAt(at) + 1;
  return at === key.length - parent.length;
}

const TTL = 86_400;
const V4 = rrset(TYPE_A, TTL, [addressBytes("127.0.0.1") ?? ""]);
const V6 = rrset(TYPE_AAAA, TTL, [addressBytes("::1") ?? ""]);
const NAME = rrset(TYPE_PTR, TTL, [nameRdata(nameKey("localhost"))]);

const LOCALHOST: SpecialZone = {
  apex: nameKey("localhost"),
  answer: (_, type) => (type === TYPE_A ? V4 : type === TYPE_AAAA ? V6 : type === TYPE_ANY ? minimalAny : NODATA),
};

const never = (): Outcome => NXDOMAIN;
const INVALID: SpecialZone = { apex: nameKey("invalid"), answer: never, denied: true };
const ONION: SpecialZone = { apex: nameKey("onion"), answer: never, denied: true, yields: true };

/** Of every address in the zone, localhost. */
function loopback(key: string, type: number): Outcome {
  const kind = readReverse(key);
  if (kind !== ADDRESS) return kind === PREFIX ? NODATA : NXDOMAIN;
  return type === TYPE_PTR ? NAME : type === TYPE_ANY ? minimalAny : NODATA;
}

/** A reverse zone with nothing in it. */
const vacant = (apex: string): SpecialZone => ({
  apex,
  answer: (key) => (key === apex || readReverse(key) === PREFIX ? NODATA : NXDOMAIN),
  yields: true,
  dockerAsks: true,
});

const ARPA: readonly SpecialZone[] = [
  { apex: nameKey("127.in-addr.arpa"), answer: loopback },
  { apex: reverseKey(addressBytes("::1") ?? ""), answer: loopback },
  vacant(nameKey("0.in-addr.arpa")),
  vacant(reverseKey(addressBytes("::") ?? "")),
  // RFC 9462 4 and 6.4: no designated resolver stands in for us, and NODATA says so for every name and type.
  { apex: nameKey("resolver.arpa"), answer: () => NODATA, yields: true, dockerAsks: true },
];
