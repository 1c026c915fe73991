/** Names with a meaning of their own everywhere (RFC 6761, RFC 7686), asked only when no network knows the name. */
import { addressBytes, reverseKey } from "../model/address.ts";
import { nameKey } from "../model/name.ts";
import { TYPE_A, TYPE_AAAA, TYPE_ANY, TYPE_HINFO, TYPE_PTR } from "../wire/constants.ts";
import { hinfoRdata, nameRdata, type RRSet, rrset } from "../wire/rrset.ts";
import { NODATA, NXDOMAIN, type Outcome } from "./outcome.ts";

/** The answer to ANY: one small record instead of everything (RFC 8482 4.2). */
export const minimalAny: RRSet = rrset(TYPE_HINFO, 3600, [hinfoRdata("RFC8482", "")]);

/** What every sandbox gets for localhost and its addresses, .invalid and .onion; undefined for all other names. */
export function specialName(key: string, type: number): Outcome | undefined {
  const last = key.length > 0 ? key.charCodeAt(key.length - 1) : 0;
  if (last === 0x74 && under(key, LOCALHOST)) return localhost(type);
  if ((last === 0x64 && under(key, INVALID)) || (last === 0x6e && under(key, ONION))) return NXDOMAIN;
  if (last === 0x61 && (under(key, LOOPBACK4) || key === LOOPBACK6))
    return key.length > LOOPBACK4.length ? loopback(type) : NODATA;
  return undefined;
}

const LOCALHOST = nameKey("localhost");
const INVALID = nameKey("invalid");
const ONION = nameKey("onion");
const LOOPBACK4 = nameKey("127.in-addr.arpa");
const LOOPBACK6 = reverseKey(addressBytes("::1") ?? "");

const TTL = 86_400;
const V4 = rrset(TYPE_A, TTL, [addressBytes("127.0.0.1") ?? ""]);
const V6 = rrset(TYPE_AAAA, TTL, [addressBytes("::1") ?? ""]);
const NAME = rrset(TYPE_PTR, TTL, [nameRdata(LOCALHOST)]);

const localhost = (type: number): Outcome =>
  type === TYPE_A ? V4 : type === TYPE_AAAA ? V6 : type === TYPE_ANY ? minimalAny : NODATA;
const loopback = (type: number): Outcome => (type === TYPE_PTR ? NAME : type === TYPE_ANY ? minimalAny : NODATA);

/** The name itself or anything below it: the match must begin where a label does. */
function under(key: string, parent: string): boolean {
  if (!key.endsWith(parent)) return false;
  let at = 0;
  while (at < key.length - parent.length) at += key.charCodeAt(at) + 1;
  return at === key.length - parent.length;
}
