/**
 * What goes upstream: a query of our own for the client's question. Its name is spelled at random (0x20), which whoever
 * answers without having seen it must guess; its OPT says what we take. No option of the client's goes any further.
 */
import { CD, HEADER, MAX_NAME, RD } from "../../wire/constants.ts";
import { appendOpt, NO_OPTIONS, OPT_SIZE } from "../../wire/opt.ts";
import type { ForwardRequest } from "./types.ts";

/** "Authentic data": in a query, that its sender understands it in a reply (RFC 6840 section 5.7). */
const AD = 0x20;
/** Flags of a client's query that go upstream. */
export const PASSED = RD | AD | CD;

/** The query but for its id. */
export function writeQuery({ packet, questionEnd, dnssecOk }: ForwardRequest, random: () => number): Uint8Array {
  const query = Buffer.allocUnsafe(questionEnd + OPT_SIZE);
  for (let at = 0; at < HEADER; at++) query[at] = 0;
  query[2] = packet[2]! & (PASSED >> 8);
  query[3] = packet[3]! & PASSED;
  query[5] = 1;
  for (let at = HEADER; at < questionEnd; at++) query[at] = packet[at]!;
  spell(query, HEADER, questionEnd - 4, random);
  appendOpt(query, questionEnd, dnssecOk, NO_OPTIONS);
  return query;
}

/** The query under this id, to be sent: itself if nobody else sends it. `plain`: without the OPT record. */
export function addressQuery(query: Uint8Array, id: number, plain: boolean, shared: boolean): Uint8Array {
  const length = plain ? query.length - OPT_SIZE : query.length;
  const packet = plain || shared ? Buffer.from(query.subarray(0, length)) : query;
  packet[0] = id >> 8;
  packet[1] = id;
  if (plain) packet[11] = 0;
  return packet;
}

/** The same query for a name below: one label in front, and as many of the name's own as there is room for. */
export function queryBelow(query: Uint8Array, label: string): Uint8Array {
  let from = HEADER;
  const end = query.length - OPT_SIZE - 4;
  while (1 + label.length + end - from > MAX_NAME) from += query[from]! + 1;
  return Buffer.concat([
    query.subarray(0, HEADER),
    Buffer.from([label.length]),
    Buffer.from(label, "latin1"),
    query.subarray(from),
  ]);
}

/** Draws each letter's case. Length octets are below "A". */
function spell(query: Uint8Array, from: number, to: number, random: () => number): void {
  let bits = 0;
  let left = 0;
  for (let at = from; at < to; at++) {
    const letter = query[at]! | 32;
    if (letter < 97 || letter > 122) continue;
    if (left === 0) {
      bits = random();
      left = 16;
    }
    query[at]! ^= (bits & 1) << 5;
    bits >>= 1;
    left--;
  }
}

/** True if some letter of the name is a capital: a server that folds names can't repeat it. */
export function hasCapital(query: Uint8Array, questionEnd: number): boolean {
  for (let at = HEADER; at < questionEnd - 4; at++) if (query[at]! >= 65 && query[at]! <= 90) return true;
  return false;
}
