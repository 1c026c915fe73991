/** Records as they lie ready to be copied into answers. */
import { TYPE_A, TYPE_AAAA } from "./constants.ts";

/**
 * The records of one name and type. `data` holds all rdata as latin1, one char an octet: back to back when `size` is not
 * 0 (A: 4, AAAA: 16), else each behind its length in two octets. Strings, because a Uint8Array for every record would
 * cost ten times the memory at 100 000 tasks, and because they travel to a worker without being taken apart.
 */
export interface RRSet {
  readonly type: number;
  /** Seconds. */
  readonly ttl: number;
  readonly count: number;
  readonly size: number;
  readonly data: string;
}

/** One RRset out of separate rdata; the order given is the order kept. */
export function rrset(type: number, ttl: number, rdata: readonly string[]): RRSet {
  const size = type === TYPE_A ? 4 : type === TYPE_AAAA ? 16 : 0;
  // join() flattens; concatenation would keep every piece alive beside the whole
  const data = size > 0 ? rdata.join("") : rdata.flatMap((r) => [u16(r.length), r]).join("");
  return { type, ttl, count: rdata.length, size, data };
}

/** The rdata of a set, one string a record. */
export function rdataOf(set: RRSet): string[] {
  const out: string[] = [];
  if (set.size > 0) {
    for (let at = 0; at < set.data.length; at += set.size) out.push(set.data.slice(at, at + set.size));
    return out;
  }
  for (let at = 0; at < set.data.length; ) {
    const length = (set.data.charCodeAt(at) << 8) | set.data.charCodeAt(at + 1);
    out.push(set.data.slice(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return out;
}

/** A name without compression, as rdata holds it: a key with the root behind it. */
export const nameRdata = (key: string): string => `${key}\0`;

/** TXT rdata: each string behind its length; what is longer than 255 octets goes on in the next one (RFC 1035 3.3.14). */
export function txtRdata(strings: readonly string[]): string {
  const pieces = strings.flatMap(
    (s) =>
      Buffer.from(s, "utf8")
        .toString("latin1")
        .match(/.{1,255}/gs) ?? [""],
  );
  return pieces.map(characterString).join("");
}

/** SRV rdata (RFC 2782); the target is never compressed. */
export function srvRdata(priority: number, weight: number, port: number, targetKey: string): string {
  return u16(priority) + u16(weight) + u16(port) + nameRdata(targetKey);
}

/** HINFO rdata: CPU and operating system. */
export const hinfoRdata = (cpu: string, os: string): string => characterString(cpu) + characterString(os);

const characterString = (s: string): string => String.fromCharCode(Math.min(255, s.length)) + s.slice(0, 255);
const u16 = (n: number): string => String.fromCharCode((n >> 8) & 255, n & 255);
