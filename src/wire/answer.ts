/**
 * Answers to bytes. Every writer takes the parsed query and an `out` whose first octets already hold the query (header and
 * question are answered in place), and returns the answer's length. The owner of each answer record is a pointer to
 * the question, so the client's spelling of the name comes back (0x20).
 *
 *   0        12                questionEnd
 *   | header | question        | answer records | SOA or additional | OPT |
 *              ^ 0xC00C points here
 */
import {
  AA,
  BADVERS,
  CD,
  CLASS_CHAOS,
  CLASS_IN,
  HEADER,
  NOERROR,
  type NXDOMAIN,
  OPCODE_MASK,
  QR,
  RA,
  RD,
  TC,
  TYPE_SOA,
} from "./constants.ts";
import { type Ede, OPT_SIZE, writeOpt } from "./opt.ts";
import type { Query } from "./query.ts";
import { nameRdata, type RRSet } from "./rrset.ts";

/** How answers look: ours, or Docker's for those who compare (no AA, no SOA, no OPT, RA off on errors). */
export interface Style {
  readonly authoritative: boolean;
  readonly soa: boolean;
  readonly opt: boolean;
  readonly recursionOnErrors: boolean;
}

export const OWN_STYLE: Style = { authoritative: true, soa: true, opt: true, recursionOnErrors: true };
export const DOCKER_STYLE: Style = { authoritative: false, soa: false, opt: false, recursionOnErrors: false };

/** Writes positive answers in random order. What does not fit into `limit` octets is left out and TC set (RFC 2181 9). */
export function writeAnswer(
  query: Query,
  out: Uint8Array,
  limit: number,
  style: Style,
  set: RRSet,
  extra: readonly OwnedSet[] = NONE,
): number {
  const room = limit - optSize(query, style);
  at = query.questionEnd;
  recordClass = query.class === CLASS_CHAOS ? CLASS_CHAOS : CLASS_IN;
  const written = writeSet(out, room, set);
  const truncated = written < set.count;
  let additional = 0;
  if (!truncated) for (const owned of extra) additional += writeOwned(out, room, owned);
  const flags = QR | RA | (style.authoritative ? AA : 0) | (truncated ? TC : 0);
  return finish(query, out, flags, NOERROR, written, 0, additional, style, undefined);
}

/** A set under a name of its own, for the additional section. */
export interface OwnedSet {
  readonly owner: string;
  readonly set: RRSet;
}

const NONE: readonly OwnedSet[] = [];

/**
 * NODATA or NXDOMAIN, with the SOA that bounds how long it is remembered (RFC 2308). `apex` is where in the question's key the
 * name of the zone begins. Its end is the root, which is nobody's to be authoritative for: no AA. Asked for its SOA, an apex has
 * one.
 */
export function writeNegative(
  query: Query,
  out: Uint8Array,
  style: Style,
  rcode: typeof NOERROR | typeof NXDOMAIN,
  soa: Soa,
  apex: number,
  ede?: Ede,
): number {
  at = query.questionEnd;
  recordClass = CLASS_IN;
  const ours = apex < query.key.length;
  const flags = QR | RA | (style.authoritative && ours ? AA : 0);
  if (!style.soa) return finish(query, out, flags, rcode, 0, 0, 0, style, ede);
  writeSoa(out, ours ? apex : -1, soa);
  const answers = ours && apex === 0 && query.type === TYPE_SOA ? 1 : 0;
  return finish(query, out, flags, rcode, answers, 1 - answers, 0, style, ede);
}

/** An error of the resolver: FORMERR, SERVFAIL, NOTIMP, REFUSED, BADVERS. The question is echoed if it could be read. */
export function writeError(query: Query, out: Uint8Array, style: Style, rcode: number, ede?: Ede): number {
  at = query.questionEnd || HEADER;
  return finish(query, out, QR | (style.recursionOnErrors ? RA : 0), rcode, 0, 0, 0, style, ede);
}

/** Seconds negative answers may be kept, and the zone's serial (we send the revision). */
export interface Soa {
  readonly minimum: number;
  readonly serial: number;
}

// The write cursor and the class written: one answer is written at a time, and fields would cost a load per octet.
let at = 0;
let recordClass = CLASS_IN;

/** Writes the records of a set in uniformly random order while they fit; returns how many. */
function writeSet(out: Uint8Array, room: number, set: RRSet): number {
  const { count } = set;
  if (count === 1) return writeRecord(out, room, 0xc00c, set, 0) ? 1 : 0;
  locate(set);
  for (let i = 0; i < count; i++) {
    const j = i + below(count - i);
    const picked = positions[j]!;
    positions[j] = positions[i]!;
    positions[i] = picked;
    if (!writeRecord(out, room, 0xc00c, set, picked)) return i;
  }
  return count;
}

/** All records of a set under their own owner name, or none: a partial additional set would be believed complete. */
function writeOwned(out: Uint8Array, room: number, { owner, set }: OwnedSet): number {
  const start = at;
  if (start + owner.length + 1 > room || start > 0x3fff) return 0;
  const name = nameRdata(owner);
  for (let i = 0; i < name.length; i++) out[at++] = name.charCodeAt(i);
  locate(set);
  for (let i = 0; i < set.count; i++) {
    const fits =
      i === 0 ? writeBody(out, room, set, positions[0]!) : writeRecord(out, room, 0xc000 | start, set, positions[i]!);
    if (fits) continue;
    at = start;
    return 0;
  }
  return set.count;
}

/** One record whose owner is a pointer. False, and nothing written, if it does not fit. */
function writeRecord(out: Uint8Array, room: number, pointer: number, set: RRSet, position: number): boolean {
  const start = at;
  if (start + 2 > room) return false;
  out[at++] = pointer >> 8;
  out[at++] = pointer;
  if (writeBody(out, room, set, position)) return true;
  at = start;
  return false;
}

/** What follows the owner of the record whose rdata (or its length) starts at `position` of the set's data. */
function writeBody(out: Uint8Array, room: number, set: RRSet, position: number): boolean {
  const { data, size } = set;
  const length = size > 0 ? size : (data.charCodeAt(position) << 8) | data.charCodeAt(position + 1);
  const from = size > 0 ? position : position + 2;
  if (at + 10 + length > room) return false;
  let p = writeFixed(out, at, set.type, set.ttl, length);
  for (let i = 0; i < length; i++) out[p++] = data.charCodeAt(from + i);
  at = p;
  return true;
}

function writeFixed(out: Uint8Array, from: number, type: number, ttl: number, length: number): number {
  let p = from;
  out[p++] = type >> 8;
  out[p++] = type;
  out[p++] = 0;
  out[p++] = recordClass;
  out[p++] = ttl >> 24;
  out[p++] = ttl >> 16;
  out[p++] = ttl >> 8;
  out[p++] = ttl;
  out[p++] = length >> 8;
  out[p++] = length;
  return p;
}

// mname, rname as RFC 6303 3 has them for zones nobody can transfer; then serial (patched), refresh, retry, expire, minimum.
const SOA_NAMES = nameRdata("\x06eleven\x07invalid") + nameRdata("\x06nobody\x07invalid");
const SOA_TIMERS = "\0\0\x0e\x10" + "\0\0\x04\xb0" + "\0\x09\x3a\x80";

/** SOA owned by what begins at `apex` of the question's name: a pointer into it, or the root. */
function writeSoa(out: Uint8Array, apex: number, { minimum, serial }: Soa): void {
  let p = at;
  if (apex >= 0) {
    out[p++] = 0xc0 | ((HEADER + apex) >> 8);
    out[p++] = HEADER + apex;
  } else out[p++] = 0;
  p = writeFixed(out, p, TYPE_SOA, minimum, SOA_NAMES.length + 20);
  for (let i = 0; i < SOA_NAMES.length; i++) out[p++] = SOA_NAMES.charCodeAt(i);
  out[p++] = serial >>> 24;
  out[p++] = serial >>> 16;
  out[p++] = serial >>> 8;
  out[p++] = serial;
  for (let i = 0; i < SOA_TIMERS.length; i++) out[p++] = SOA_TIMERS.charCodeAt(i);
  out[p++] = minimum >>> 24;
  out[p++] = minimum >>> 16;
  out[p++] = minimum >>> 8;
  out[p++] = minimum;
  at = p;
}

/** Octets to keep free for the OPT record of an answer. */
const optSize = (query: Query, style: Style): number => (query.edns && style.opt ? OPT_SIZE : 0);

/** Writes the OPT record if the client sent one (RFC 6891 6.1.1), then header and counts; returns the length. */
function finish(
  query: Query,
  out: Uint8Array,
  flags: number,
  rcode: number,
  answers: number,
  authority: number,
  additional: number,
  style: Style,
  ede: Ede | undefined,
): number {
  let more = additional;
  if (query.edns && (style.opt || rcode === BADVERS)) {
    at = writeOpt(query, out, at, rcode, ede);
    more++;
  }
  const word = flags | (query.flags & (OPCODE_MASK | RD | CD)) | (rcode & 15);
  out[2] = word >> 8;
  out[3] = word;
  out[4] = 0;
  out[5] = query.questionEnd > 0 ? 1 : 0;
  out[6] = answers >> 8;
  out[7] = answers;
  out[8] = 0;
  out[9] = authority;
  out[10] = more >> 8;
  out[11] = more;
  return at;
}

let positions = new Uint32Array(64);

/** Fills `positions` with where each record of the set starts in its data. */
function locate({ count, size, data }: RRSet): void {
  if (positions.length < count) positions = new Uint32Array(count * 2);
  for (let i = 0, p = 0; i < count; i++) {
    positions[i] = p;
    p += size > 0 ? size : 2 + ((data.charCodeAt(p) << 8) | data.charCodeAt(p + 1));
  }
}

let seed = (Math.random() * 0x7fffffff) | 1; // order only, no secret

/** Random integer from 0 to n-1 (xorshift32). */
function below(n: number): number {
  seed ^= seed << 13;
  seed ^= seed >>> 17;
  seed ^= seed << 5;
  return Math.floor(((seed >>> 0) / 0x100000000) * n);
}
