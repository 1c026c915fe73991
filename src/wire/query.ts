/** Bytes to query. Nothing here throws or allocates but the key: what is wrong with a packet comes back as a verdict. */
import { BADVERS, FORMERR, HEADER, MAX_NAME, NOERROR, NOTIMP, OPCODE_MASK, QR, TYPE_OPT } from "./constants.ts";
import { word } from "./word.ts";

/** What to do with a packet: serve it (0), answer it with this rcode, or say nothing. */
export type Verdict = typeof NOERROR | typeof FORMERR | typeof NOTIMP | typeof BADVERS | typeof DROP;
export const DROP = -1;

/** One query, parsed. A worker keeps one and fills it again for every packet. */
export class Query {
  /** Header word at offset 2: QR, opcode, AA, TC, RD, RA, AD, CD, rcode. */
  flags = 0;
  /** The name asked for as a lookup key: labels lower-cased, length octets included, without the root. */
  key = "";
  type = 0;
  class = 0;
  /** Offset just behind the question; 0 if the question can't be echoed. */
  questionEnd = 0;
  edns = false;
  /** UDP size the client can take, as it said (RFC 6891 6.2.3). */
  udpSize = 0;
  dnssecOk = false;
}

/** What one says, in another one. */
export function copyQuery(from: Query, into: Query): void {
  into.flags = from.flags;
  into.key = from.key;
  into.type = from.type;
  into.class = from.class;
  into.questionEnd = from.questionEnd;
  into.edns = from.edns;
  into.udpSize = from.udpSize;
  into.dnssecOk = from.dnssecOk;
}

/**
 * Reads `length` octets of `packet` into `into`. Accepts what Docker's resolver accepts (trailing octets, one record in
 * answer and authority, two in additional) except where RFC 6891 and RFC 8906 are plain: one OPT at most, owned by the
 * root; every opcode but QUERY is NOTIMP.
 */
export function parseQuery(packet: Uint8Array, length: number, into: Query): Verdict {
  into.questionEnd = 0;
  into.edns = false;
  into.dnssecOk = false;
  into.udpSize = 0;
  if (length < HEADER) return DROP;
  const flags = (packet[2]! << 8) | packet[3]!;
  into.flags = flags;
  if (flags & QR) return DROP;
  if (flags & OPCODE_MASK) {
    findOpt(packet, length, into);
    return NOTIMP;
  }
  const records = packet[7]! + packet[9]! + packet[11]!;
  const odd = packet[4]! | packet[6]! | packet[8]! | packet[10]!; // upper octets of the four counts
  if (odd || packet[5] !== 1 || packet[7]! > 1 || packet[9]! > 1 || packet[11]! > 2) {
    findOpt(packet, length, into);
    return FORMERR;
  }

  const nameEnd = readName(packet, length, into);
  if (nameEnd < 0 || nameEnd + 4 > length) return FORMERR;
  into.type = (packet[nameEnd]! << 8) | packet[nameEnd + 1]!;
  into.class = (packet[nameEnd + 2]! << 8) | packet[nameEnd + 3]!;
  into.questionEnd = nameEnd + 4;
  return records === 0 ? NOERROR : readRecords(packet, length, packet[7]! + packet[9]!, packet[11]!, into);
}

// latin1Slice is toString("latin1") without looking at its arguments; Node has it on every Buffer, its types do not.
const folded = Buffer.alloc(MAX_NAME) as Buffer & { latin1Slice(start: number, end: number): string };

/** Offset behind the question's name, or -1. A pointer makes no sense in the first name of a message and is refused. */
function readName(packet: Uint8Array, length: number, into: Query): number {
  let at = HEADER;
  let used = 0;
  for (;;) {
    if (at >= length) return -1;
    const label = packet[at]!;
    if (label === 0) break;
    if (label > 63 || at + label >= length || used + label + 2 > MAX_NAME) return -1;
    folded[used++] = label;
    for (const end = at + label; at < end; ) {
      const c = packet[++at]!;
      folded[used++] = c >= 65 && c <= 90 ? c | 32 : c;
    }
    at++;
  }
  into.key = folded.latin1Slice(0, used);
  return at + 1;
}

/** Of a packet that is answered with an error only this matters: whether it has an OPT record, for then the answer has one (RFC 6891 7). */
function findOpt(packet: Uint8Array, length: number, into: Query): void {
  let at = HEADER;
  for (let questions = word(packet, 4); questions > 0; questions--) {
    at = skipName(packet, length, at) + 4;
    if (at < HEADER) return;
  }
  into.questionEnd = at;
  readRecords(packet, length, word(packet, 6) + word(packet, 8), word(packet, 10), into);
  into.questionEnd = 0;
}

/** Walks the records behind the question, for the OPT among the additional ones. */
function readRecords(packet: Uint8Array, length: number, before: number, additional: number, into: Query): Verdict {
  let at = into.questionEnd;
  let version = 0;
  for (let i = 0; i < before + additional; i++) {
    const owner = at;
    at = skipName(packet, length, at);
    if (at < 0 || at + 10 > length) return FORMERR;
    const end = at + 10 + ((packet[at + 8]! << 8) | packet[at + 9]!);
    if (end > length) return FORMERR;
    if (i >= before && ((packet[at]! << 8) | packet[at + 1]!) === TYPE_OPT) {
      if (into.edns || packet[owner] !== 0 || !optionsFit(packet, at + 10, end)) return FORMERR;
      into.edns = true;
      into.udpSize = (packet[at + 2]! << 8) | packet[at + 3]!;
      version = packet[at + 5]!;
      into.dnssecOk = (packet[at + 6]! & 0x80) !== 0;
    }
    at = end;
  }
  return version === 0 ? NOERROR : BADVERS;
}

/** Offset behind a name that may end in a pointer (which is not followed, and may be cut off), or -1. */
function skipName(packet: Uint8Array, length: number, from: number): number {
  for (let at = from; at < length; ) {
    const label = packet[at]!;
    if (label === 0) return at + 1;
    if (label >= 0xc0) return at + 2;
    if (label > 63) return -1;
    at += label + 1;
  }
  return -1;
}

function optionsFit(packet: Uint8Array, from: number, end: number): boolean {
  let at = from;
  while (at + 4 <= end) at += 4 + ((packet[at + 2]! << 8) | packet[at + 3]!);
  return at === end;
}
