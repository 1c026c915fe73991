/** Lookups as text: `look(tables, "c1", "web A")` gives "10.0.1.2 ttl=600", "NODATA", "NXDOMAIN", "forward", "search", "blocked" or "blocked above". */
import { addressText } from "../../src/model/address.ts";
import { keyName, nameKey } from "../../src/model/name.ts";
import { BLOCKED, BLOCKED_ABOVE, FORWARD, NODATA, NXDOMAIN, SEARCH } from "../../src/scoping/outcome.ts";
import type { Tables } from "../../src/scoping/tables.ts";
import { rdataOf } from "../../src/wire/rrset.ts";
import { typeNumber } from "./packets.ts";

export function look(tables: Tables, sandbox: string, question: string): string {
  const [name = "", type = "A"] = question.split(" ");
  const outcome = tables.scope(sandbox)!.lookup(nameKey(name), typeNumber(type));
  if (outcome === NODATA) return "NODATA";
  if (outcome === NXDOMAIN) return "NXDOMAIN";
  if (outcome === FORWARD) return "forward";
  if (outcome === SEARCH) return "search";
  if (outcome === BLOCKED) return "blocked";
  if (outcome === BLOCKED_ABOVE) return "blocked above";
  return `${rdataOf(outcome)
    .map((r) => text(outcome.type, r))
    .join(" ")} ttl=${outcome.ttl}`;
}

function text(type: number, rdata: string): string {
  if (type === 1 || type === 28) return addressText(rdata);
  if (type === 12) return keyName(rdata.slice(0, -1));
  if (type === 33) return `${rdata.charCodeAt(4) * 256 + rdata.charCodeAt(5)}/${keyName(rdata.slice(6, -1))}`;
  const strings: string[] = [];
  for (let i = 0; i < rdata.length; i += rdata.charCodeAt(i) + 1)
    strings.push(rdata.slice(i + 1, i + 1 + rdata.charCodeAt(i)));
  return strings.join("|");
}
