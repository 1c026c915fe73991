/** Answers kept until their TTL ends, and a day longer for when no upstream answers (RFC 8767). Bounded in entries and bytes. */
import { AA, EDE_STALE, NOERROR, NXDOMAIN } from "../../wire/constants.ts";
import { errorOption, OPT_SIZE } from "../../wire/opt.ts";
import { ageTtls, capTtls, type ReplySurvey, writeTtl } from "../../wire/reply.ts";
import { type Answer, fitted } from "./answer.ts";
import type { ForwardRequest } from "./types.ts";

export interface CacheLimits {
  /** Default 4096. */
  readonly entries?: number;
  /** Default 8 MiB, keys included. */
  readonly bytes?: number;
}

export interface Entry extends Answer {
  readonly ttlAt: Uint16Array;
  readonly storedAt: number;
  readonly expiresAt: number;
  /** After a failure, nobody is asked before this moment as long as the entry can be served (RFC 8767 section 5). */
  retryAt: number;
}

/** Two generations: what is asked for moves to the young one; when that is full, it becomes the old one, and the old one goes. */
export class Cache {
  readonly #entries: number;
  readonly #bytes: number;
  #young = new Map<string, Entry>();
  #old = new Map<string, Entry>();
  #youngBytes = 0;

  constructor({ entries = 4096, bytes = 8 << 20 }: CacheLimits) {
    this.#entries = Math.max(1, entries >> 1);
    this.#bytes = bytes >> 1;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
    this.#youngBytes = 0;
  }

  /** The entry, fresh or not. */
  get(key: string): Entry | undefined {
    const entry = this.#young.get(key);
    if (entry !== undefined) return entry;
    const aged = this.#old.get(key);
    if (aged !== undefined) this.#add(key, aged);
    return aged;
  }

  /** Keeps an answer if the survey of its reply allows to; in any case, what was there before is superseded. */
  put(key: string, { octets, end, errors }: Answer, survey: ReplySurvey, now: number): void {
    this.#remove(key);
    const seconds = lifetime(survey);
    if (seconds <= 0 || end > this.#bytes >> 2) return;
    const kept = new Uint8Array(octets.subarray(0, end)); // memory of its own: a slice would hold the whole receive buffer
    let count = survey.ttlCount;
    while (count > 0 && survey.ttlAt[count - 1]! >= end) count--;
    const ttlAt = survey.ttlAt.slice(0, count);
    kept[2]! &= ~(AA >> 8);
    capTtls(kept, ttlAt, survey.answered ? POSITIVE_CAP : Math.min(survey.negativeTtl, NEGATIVE_CAP));
    this.#add(key, { octets: kept, end, errors, ttlAt, storedAt: now, expiresAt: now + seconds * 1000, retryAt: now });
  }

  #add(key: string, entry: Entry): void {
    const size = cost(key, entry);
    if (this.#young.size >= this.#entries || this.#youngBytes + size > this.#bytes) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngBytes = 0;
    }
    this.#old.delete(key);
    this.#young.set(key, entry);
    this.#youngBytes += size;
  }

  #remove(key: string): void {
    const entry = this.#young.get(key);
    if (entry !== undefined) this.#youngBytes -= cost(key, entry);
    this.#young.delete(key);
    this.#old.delete(key);
  }
}

const POSITIVE_CAP = 86_400;
/** RFC 2308 section 5 allows hours; a name that comes into being is missed for a quarter of one at most. */
const NEGATIVE_CAP = 900;
const STALE_FOR = 86_400_000;
/** RFC 8767 section 4 recommends 30 seconds for stale records. */
const STALE_TTL = 30;

const cost = (key: string, entry: Entry): number =>
  2 * key.length + entry.end + entry.errors.length + 2 * entry.ttlAt.length + 200;

/** Seconds a reply may be kept; 0: not at all. Only NOERROR and NXDOMAIN say something that lasts. */
function lifetime(survey: ReplySurvey): number {
  if (survey.rcode !== NOERROR && survey.rcode !== NXDOMAIN) return 0;
  if (survey.rcode === NOERROR && survey.answered) return Math.min(survey.minTtl, POSITIVE_CAP);
  return survey.negativeTtl < 0 ? 0 : Math.min(survey.minTtl, survey.negativeTtl, NEGATIVE_CAP);
}

export const isFresh = (entry: Entry, now: number): boolean => now < entry.expiresAt;

export const isServable = (entry: Entry, now: number): boolean => now < entry.expiresAt + STALE_FOR;

/** A fresh entry as the answer to this request: TTLs less the time gone by. */
export function freshAnswer(entry: Entry, request: ForwardRequest, now: number): Uint8Array {
  const out = copyOf(entry, request, 0);
  const age = Math.floor((now - entry.storedAt) / 1000);
  if (age > 0) ageTtls(out, entry.ttlAt, age);
  return fitted(out, entry.end, entry.errors, request);
}

/** An expired entry as the answer, marked as such for whoever can read it (RFC 8914 section 4.4). */
export function staleAnswer(entry: Entry, request: ForwardRequest): Uint8Array {
  const errors = entry.errors.length === 0 ? STALE : Buffer.concat([STALE, entry.errors]);
  const out = copyOf(entry, request, STALE.length);
  for (const at of entry.ttlAt) writeTtl(out, at, STALE_TTL);
  return fitted(out, entry.end, errors, request);
}

const STALE = errorOption({ code: EDE_STALE, text: "" });

/** The entry's octets, with room for the OPT record that this client gets, if it gets one. */
function copyOf({ octets, end, errors }: Entry, { edns }: ForwardRequest, more: number): Buffer {
  const out = Buffer.allocUnsafe(end + (edns ? OPT_SIZE + errors.length + more : 0));
  out.set(octets);
  return out;
}
