/** What makes two queries the same: the keys under which answers are kept and questions in flight are shared. */
import { CD, HEADER, RD } from "../wire/constants.ts";
import type { ForwardRequest } from "./types.ts";

/** Flag bits that may stand in a query whose answer can be kept: RD, AD, CD. */
const KEEPABLE = RD | 0x20 | CD;
const PLAIN = 0;
const EDNS = 1;
const EDNS_DO = 2;
const OTHER = 3;

/**
 * Key of the answer to a query in the cache, or "" if it is none of the cache's business. The cache knows queries with
 * RD set and nothing behind the question but, perhaps, an OPT without options: client subnets never meet it (and cookies do not come this far: cookie.ts).
 */
export function cacheKey(prefix: string, request: ForwardRequest): string {
  const { packet, question } = request;
  const flags = (packet[2]! << 8) | packet[3]!;
  const kind = kindOf(request);
  if (kind === OTHER || (flags & RD) === 0 || (flags & ~KEEPABLE) !== 0 || isTransfer(question)) return "";
  return prefix + String.fromCharCode(question.length, flags, kind) + question;
}

/** Whether the query behind a cache key had an OPT record: it stands behind group (2), question length and flags. */
export const askedWithOpt = (key: string): boolean => key.charCodeAt(4) !== PLAIN;

/** Key of a query in flight: all that the upstream will see but the id and the name's case. */
export function flightKey(prefix: string, request: ForwardRequest, kept: string): string {
  const { packet, question, questionEnd } = request;
  if (kept !== "") return packet.length === questionEnd ? kept : kept + latin1(packet, questionEnd);
  const flags = (packet[2]! << 8) | packet[3]!;
  const counts = String.fromCharCode(word(packet, 6), word(packet, 8), word(packet, 10));
  return prefix + String.fromCharCode(question.length, flags, OTHER) + counts + question + latin1(packet, questionEnd);
}

function kindOf({ packet, questionEnd }: ForwardRequest): number {
  if (word(packet, 6) !== 0 || word(packet, 8) !== 0) return OTHER;
  const additional = word(packet, 10);
  const behind = packet.length - questionEnd;
  if (behind === 0) return additional === 0 ? PLAIN : OTHER;
  // Owner 0, type 41, size (whatever it is), extended rcode and version 0, DO alone among the flags, no options.
  const at = questionEnd;
  if (behind !== 11 || additional !== 1 || packet[at] !== 0 || word(packet, at + 1) !== 41) return OTHER;
  if (word(packet, at + 5) !== 0 || word(packet, at + 9) !== 0 || (word(packet, at + 7) & 0x7fff) !== 0) return OTHER;
  return packet[at + 7] === 0 ? EDNS : EDNS_DO;
}

/** IXFR, AXFR, MAILB and MAILA: 251 to 254. ANY may be kept. */
function isTransfer(question: string): boolean {
  const low = question.charCodeAt(question.length - 3);
  return question.charCodeAt(question.length - 4) === 0 && low >= 251 && low <= 254;
}

/** True if the packet is one that these functions may look into. */
export const isWhole = ({ packet, questionEnd }: ForwardRequest): boolean =>
  questionEnd >= HEADER + 5 && packet.length >= questionEnd && packet.length <= 65535;

const latin1 = (packet: Uint8Array, from: number): string =>
  Buffer.from(packet.buffer, packet.byteOffset + from, packet.length - from).toString("latin1");

const word = (packet: Uint8Array, at: number): number => (packet[at]! << 8) | packet[at + 1]!;
