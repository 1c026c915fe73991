/** Rdata as people read it, in the form of zone files (RFC 1035 5.1; what has none here in that of RFC 3597 5). */
import { addressText } from "../model/address.ts";
import { keyName } from "../model/name.ts";
import { TYPE_A, TYPE_AAAA, TYPE_PTR, TYPE_SRV, TYPE_TXT } from "./constants.ts";
import { type RRSet, rdataOf } from "./rrset.ts";

export const rdataTexts = (set: RRSet): string[] => rdataOf(set).map((rdata) => rdataText(set.type, rdata));

function rdataText(type: number, rdata: string): string {
  if (type === TYPE_A || type === TYPE_AAAA) return addressText(rdata);
  if (type === TYPE_PTR) return nameText(rdata);
  if (type === TYPE_SRV) return `${[0, 2, 4].map((at) => u16(rdata, at)).join(" ")} ${nameText(rdata.slice(6))}`;
  if (type === TYPE_TXT) return strings(rdata).map(quoted).join(" ");
  return `\\# ${rdata.length} ${Buffer.from(rdata, "latin1").toString("hex")}`;
}

const nameText = (rdata: string): string => `${keyName(rdata.slice(0, -1))}.`;
const u16 = (rdata: string, at: number): number => (rdata.charCodeAt(at) << 8) | rdata.charCodeAt(at + 1);

function strings(rdata: string): string[] {
  const found: string[] = [];
  for (let at = 0; at < rdata.length; at += rdata.charCodeAt(at) + 1)
    found.push(rdata.slice(at + 1, at + 1 + rdata.charCodeAt(at)));
  return found;
}

const quoted = (text: string): string =>
  `"${text.replace(/["\\]/g, "\\$&").replace(/[^ -~]/g, (c) => `\\${c.charCodeAt(0).toString().padStart(3, "0")}`)}"`;
