/**
 * Bytes of an upstream's reply: what the forwarder has to know before it relays or keeps one. Nothing here throws, allocates
 * per packet or reads outside the packet: what is wrong comes back as -1 or false.
 */
import { HEADER, MAX_NAME, QR, TC, TYPE_ANY, TYPE_OPT, TYPE_SOA } from "./constants.ts";
import { word } from "./word.ts";

/** A record takes 11 octets at least. */
const MOST_RECORDS = Math.floor((65535 - HEADER) / 11);

/** What a reply says, gathered in one walk over its records. A forwarder keeps one and fills it again for every reply. */
export class ReplySurvey {
  /** All twelve bits: the upper eight travel in the OPT record (RFC 6891 6.1.3). */
  rcode = 0;
  /** There is a record of the type asked for among the answers. */
  answered = false;
  /** Smallest TTL of all records but OPT; -1 if there is none. */
  minTtl = -1;
  /** How long the absence may be kept (RFC 2308 section 5); -1 without SOA. */
  negativeTtl = -1;
  /** Where the OPT record starts; 0 if there is none. */
  optAt = 0;
  /** Additional records in front of the OPT record. */
  beforeOpt = 0;
  /** Some record spells its owner out: it may be the question's name in our spelling. */
  spelledOut = false;
  /** Offset behind the last record. */
  end = 0;
  /** Where the TTLs are, of all records but OPT: the first `ttlCount` of `ttlAt`. */
  ttlCount = 0;
  readonly ttlAt: Uint16Array = new Uint16Array(MOST_RECORDS);
}

/** Walks all records of a reply whose question ends at `questionEnd`. False: it is not well-formed, or too long for a message. */
export function surveyReply(packet: Uint8Array, questionEnd: number, into: ReplySurvey): boolean {
  into.answered = into.spelledOut = false;
  into.minTtl = into.negativeTtl = -1;
  into.optAt = into.beforeOpt = into.ttlCount = into.end = 0;
  const length = packet.length;
  if (length > 65535 || questionEnd < HEADER + 5 || questionEnd > length) return false;
  into.rcode = headerRcode(packet);
  const asked = word(packet, questionEnd - 4);
  const answers = word(packet, 6);
  const authority = answers + word(packet, 8);
  const all = authority + word(packet, 10);
  if (all > MOST_RECORDS) return false;
  let at = questionEnd;
  for (let i = 0; i < all; i++) {
    const owner = at;
    at = skipName(packet, at);
    if (at < 0 || at + 10 > length) return false;
    const type = word(packet, at);
    const end = at + 10 + word(packet, at + 8);
    if (end > length) return false;
    if (type === TYPE_OPT) {
      if (into.optAt !== 0 || i < authority || packet[owner] !== 0) return false;
      into.optAt = owner;
      into.beforeOpt = i - authority;
      into.rcode |= packet[at + 4]! << 4;
    } else {
      if (packet[owner]! < 0xc0) into.spelledOut = true;
      const ttl = readTtl(packet, at + 4);
      into.ttlAt[into.ttlCount++] = at + 4;
      if (into.minTtl < 0 || ttl < into.minTtl) into.minTtl = ttl;
      if (i < answers) into.answered ||= type === asked || asked === TYPE_ANY;
      else if (i < authority && type === TYPE_SOA && end - at >= 10 + SOA_LEAST) {
        into.negativeTtl = Math.min(ttl, readTtl(packet, end - 4)); // MINIMUM is the last field
      }
    }
    at = end;
  }
  into.end = at;
  return true;
}

/** Two root names and five numbers. */
const SOA_LEAST = 22;

export const replyId = (packet: Uint8Array): number => word(packet, 0);

/** True for a response: long enough for a header, QR set (RFC 1035 4.1.1). */
export const isReply = (packet: Uint8Array): boolean => packet.length >= HEADER && (packet[2]! & (QR >> 8)) !== 0;

export const isTruncated = (packet: Uint8Array): boolean => (packet[2]! & (TC >> 8)) !== 0;

/** True if it repeats no question: then only its id ties it to ours. */
export const isBare = (packet: Uint8Array): boolean => packet[4] === 0 && packet[5] === 0;

/** The header's four bits; the survey knows the rest. */
export const headerRcode = (packet: Uint8Array): number => packet[3]! & 15;

/** True if `reply` repeats the question of `query` octet for octet, its case included. */
export function sameSpelling(reply: Uint8Array, query: Uint8Array, questionEnd: number): boolean {
  if (reply.length < questionEnd || query.length < questionEnd || reply[4] !== 0 || reply[5] !== 1) return false;
  for (let at = HEADER; at < questionEnd; at++) if (reply[at] !== query[at]) return false;
  return true;
}

/**
 * True if `reply` repeats the question of `query`, which ends at `questionEnd` and is well-formed: the same name but for
 * case, the same type and class, no second question (RFC 5452 section 9.1).
 */
export function sameQuestion(reply: Uint8Array, query: Uint8Array, questionEnd: number): boolean {
  if (reply.length < questionEnd || query.length < questionEnd || questionEnd < HEADER + 5) return false;
  if (reply[4] !== 0 || reply[5] !== 1) return false;
  const nameEnd = questionEnd - 4;
  for (let at = HEADER; at < questionEnd; at++) {
    const a = reply[at]!;
    const b = query[at]!;
    if (a === b) continue;
    if (at >= nameEnd || fold(a) !== fold(b)) return false; // length octets are below "A": folding leaves them alone
  }
  return true;
}

const fold = (c: number): number => (c >= 65 && c <= 90 ? c | 32 : c);

/**
 * Offset behind a name, or -1. A pointer is followed to see that the name ends: what it points at must stand whole before the
 * part of the name that it ends (a "prior occurrence", RFC 1035 4.1.4), so that no chain can circle or run on behind the record,
 * and the whole name must fit 255 octets (RFC 9267 section 2).
 */
export function skipName(packet: Uint8Array, from: number): number {
  let at = from;
  let part = from;
  let limit = packet.length;
  let behind = -1;
  let used = 1;
  let hops = 0;
  while (at < limit) {
    const label = packet[at]!;
    if (label === 0) return behind < 0 ? at + 1 : behind;
    if (label >= 0xc0) {
      if (at + 2 > limit || ++hops > MOST_HOPS) return -1;
      const target = word(packet, at) & 0x3fff;
      if (target < HEADER) return -1;
      if (behind < 0) behind = at + 2;
      limit = part; // what is not prior is not below the limit
      at = part = target;
      continue;
    }
    used += label + 1;
    if (label > 63 || used > MAX_NAME) return -1;
    at += label + 1;
  }
  return -1;
}

/** A name of 255 octets has 127 labels at most; more pointers than that are there to keep us busy. */
const MOST_HOPS = 127;

/** Takes `age` seconds off every TTL; none falls below zero. */
export function ageTtls(packet: Uint8Array, offsets: Uint16Array, age: number): void {
  for (const at of offsets) writeTtl(packet, at, Math.max(0, readTtl(packet, at) - age));
}

/** Lowers every TTL to `most`. */
export function capTtls(packet: Uint8Array, offsets: Uint16Array, most: number): void {
  for (const at of offsets) if (readTtl(packet, at) > most) writeTtl(packet, at, most);
}

export function writeTtl(packet: Uint8Array, at: number, ttl: number): void {
  packet[at] = ttl >>> 24;
  packet[at + 1] = ttl >>> 16;
  packet[at + 2] = ttl >>> 8;
  packet[at + 3] = ttl;
}

/** A TTL with the top bit set means zero (RFC 2181 section 8). */
function readTtl(packet: Uint8Array, at: number): number {
  const top = packet[at]!;
  return top > 127 ? 0 : (top << 24) | (packet[at + 1]! << 16) | word(packet, at + 2);
}
