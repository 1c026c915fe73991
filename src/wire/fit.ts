/**
 * A reply from upstream, made to fit whoever asked: cut between two records where it is too long, names in the client's
 * spelling. All in place; nothing here throws, or reads or writes outside the packet.
 */
import { HEADER, TC, TYPE_OPT } from "./constants.ts";
import { skipName } from "./reply.ts";
import { setWord, word } from "./word.ts";

/**
 * Leaves whole answers and authority records while they end within `room`, and no additional ones: those may go silently,
 * the others only with TC (RFC 2181 section 9). Also for a reply that is cut off in mid-record. The length that is left.
 */
export function cutReply(packet: Uint8Array, questionEnd: number, end: number, room: number): number {
  let at = questionEnd;
  let cut = false;
  for (let section = 6; section <= 8; section += 2) {
    const count = word(packet, section);
    let kept = 0;
    for (; kept < count && !cut; kept++) {
      const next = recordEnd(packet, at);
      if (next < 0 || next > end || next > room) break;
      at = next;
    }
    if (kept < count) cut = true;
    setWord(packet, section, kept);
  }
  setWord(packet, 10, 0);
  if (cut) packet[2]! |= TC >> 8;
  return at;
}

/** Owners that spell out the question's name get its spelling as it is in `query`. */
export function respellOwners(packet: Uint8Array, questionEnd: number, end: number, query: Uint8Array): void {
  const length = questionEnd - 4 - HEADER;
  for (let at = questionEnd; at >= 0 && at < end; at = recordEnd(packet, at)) {
    let same = at + length <= end;
    for (let i = 0; same && i < length; i++) same = packet[at + i] === packet[HEADER + i];
    for (let i = 0; same && i < length; i++) packet[at + i] = query[HEADER + i]!;
  }
}

/** Offset behind the record, perhaps outside, or -1: also for an OPT record, which has no place among answers. */
function recordEnd(packet: Uint8Array, from: number): number {
  const at = skipName(packet, from);
  if (at < 0 || at + 10 > packet.length || word(packet, at) === TYPE_OPT) return -1;
  return at + 10 + word(packet, at + 8);
}
