/** Answers kept until their TTL ends, and a day longer for when no upstream answers (RFC 8767). Bounded in entries and bytes. */
import { AA, CD, EDE_STALE, NOERROR, NXDOMAIN, RD } from "../wire/constants.ts";
import { ageTtls, capTtls, type ReplySurvey, writeTtl } from "../wire/reply.ts";
import { askedWithOpt } from "./key.ts";
import type { ForwardRequest } from "./types.ts";

export interface CacheLimits {
  /** Default 4096. */
  readonly entries?: number;
  /** Default 8 MiB, keys included. */
  readonly bytes?: number;
}

export interface Entry {
  readonly packet: Uint8Array;
  readonly ttlAt: Uint16Array;
  readonly storedAt: number;
  readonly expiresAt: number;
  /** Where options can be appended: the OPT record if it is the last one; else 0. */
  readonly optAt: number;
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

  /** The entry, fresh or not. */
  get(key: string): Entry | undefined {
    const entry = this.#young.get(key);
    if (entry !== undefined) return entry;
    const aged = this.#old.get(key);
    if (aged !== undefined) this.#add(key, aged);
    return aged;
  }

  /** Keeps a reply that the survey allows to; in any case, what was there before is superseded. */
  put(key: string, reply: Uint8Array, survey: ReplySurvey, now: number): void {
    this.#remove(key);
    const seconds = lifetime(key, survey);
    if (seconds <= 0 || reply.length > this.#bytes >> 2) return;
    const packet = new Uint8Array(reply.subarray(0, survey.end)); // memory of its own: a slice would hold the whole receive buffer
    const ttlAt = survey.ttlAt.slice(0, survey.ttlCount);
    packet[2]! &= ~(AA >> 8);
    capTtls(packet, ttlAt, survey.answered ? POSITIVE_CAP : Math.min(survey.negativeTtl, NEGATIVE_CAP));
    const optEnd = survey.optAt + 11 + (survey.optAt > 0 ? word(packet, survey.optAt + 9) : 0);
    const optAt = survey.optAt > 0 && optEnd === survey.end ? survey.optAt : 0;
    this.#add(key, { packet, ttlAt, storedAt: now, expiresAt: now + seconds * 1000, optAt, retryAt: now });
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

const cost = (key: string, entry: Entry): number => 2 * key.length + entry.packet.length + 2 * entry.ttlAt.length + 200;

/** Seconds a reply may be kept; 0: not at all. Only NOERROR and NXDOMAIN say something that lasts. */
function lifetime(key: string, survey: ReplySurvey): number {
  if (survey.rcode !== NOERROR && survey.rcode !== NXDOMAIN) return 0;
  if (survey.optAt > 0 && !askedWithOpt(key)) return 0; // against RFC 6891 section 7, and the next asker may mind
  if (survey.rcode === NOERROR && survey.answered) return Math.min(survey.minTtl, POSITIVE_CAP);
  return survey.negativeTtl < 0 ? 0 : Math.min(survey.minTtl, survey.negativeTtl, NEGATIVE_CAP);
}

export const isFresh = (entry: Entry, now: number): boolean => now < entry.expiresAt;

export const isServable = (entry: Entry, now: number): boolean => now < entry.expiresAt + STALE_FOR;

/** A fresh entry as the answer to this request: its id, its flags, its spelling of the name; TTLs less the time gone by. */
export function freshAnswer(entry: Entry, request: ForwardRequest, now: number): Uint8Array {
  const answer = Buffer.allocUnsafe(entry.packet.length);
  answer.set(entry.packet);
  const age = Math.floor((now - entry.storedAt) / 1000);
  if (age > 0) ageTtls(answer, entry.ttlAt, age);
  return addressed(answer, request);
}

/** An expired entry as the answer, marked as such where the reply has an OPT record (RFC 8914 section 4.4). */
export function staleAnswer(entry: Entry, request: ForwardRequest): Uint8Array {
  const { packet, optAt } = entry;
  const marked = optAt > 0 && packet.length + 6 <= 65535;
  const answer = Buffer.allocUnsafe(packet.length + (marked ? 6 : 0));
  answer.set(packet);
  for (const at of entry.ttlAt) writeTtl(answer, at, STALE_TTL);
  if (marked) {
    answer.writeUInt16BE(word(packet, optAt + 9) + 6, optAt + 9);
    answer.writeUInt16BE(OPTION_EDE, packet.length);
    answer.writeUInt16BE(2, packet.length + 2);
    answer.writeUInt16BE(EDE_STALE, packet.length + 4);
  }
  return addressed(answer, request);
}

const OPTION_EDE = 15;

/** Makes `answer` this client's: the id, RD and CD, and the question as it wrote it. The question matches but for case. */
export function addressed(answer: Uint8Array, { packet, questionEnd }: ForwardRequest): Uint8Array {
  answer[0] = packet[0]!;
  answer[1] = packet[1]!;
  answer[2] = (answer[2]! & ~(RD >> 8)) | (packet[2]! & (RD >> 8));
  answer[3] = (answer[3]! & ~CD) | (packet[3]! & CD);
  for (let at = 12; at < questionEnd; at++) answer[at] = packet[at]!;
  return answer;
}

const word = (packet: Uint8Array, at: number): number => (packet[at]! << 8) | packet[at + 1]!;
