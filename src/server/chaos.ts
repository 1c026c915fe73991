/** The CHAOS class: who answers here (RFC 4892). */
import { nameKey } from "../model/name.ts";
import { TYPE_ANY, TYPE_TXT } from "../wire/constants.ts";
import { type RRSet, rrset, txtRdata } from "../wire/rrset.ts";

export interface Identity {
  readonly version: string;
  readonly id: string;
}

/** The TXT record for one of the four names people ask, or undefined. */
export function chaos(key: string, type: number, identity: Identity): RRSet | undefined {
  if (type !== TYPE_TXT && type !== TYPE_ANY) return undefined;
  const text = VERSION.has(key) ? identity.version : SERVER.has(key) ? identity.id : undefined;
  return text === undefined ? undefined : { ...rrset(TYPE_TXT, 0, [txtRdata([text])]) };
}

const VERSION = new Set(["version.bind", "version.server"].map(nameKey));
const SERVER = new Set(["id.server", "hostname.bind"].map(nameKey));
