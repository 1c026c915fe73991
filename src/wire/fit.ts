/**
 * A reply from upstream, made to fit whoever asked: cut between two records where it is too long, and with an OPT record of
 * ours. All in place; nothing here throws, or reads or writes outside the packet.
 */
import { HEADER, TC, TYPE_OPT } from "./constants.ts";
import { OPT_SIZE, OUR_UDP_SIZE } from "./opt.ts";
import { skipName } from "./reply.ts";

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

/** Writes an OPT record behind the last record, with these options; the length afterwards. There must be room for it. */
export function appendOpt(out: Uint8Array, from: number, dnssecOk: boolean, options: Uint8Array): number {
  let at = from;
  out[at++] = 0; // owner: the root
  out[at++] = 0;
  out[at++] = TYPE_OPT;
  out[at++] = OUR_UDP_SIZE >> 8;
  out[at++] = OUR_UDP_SIZE & 255;
  out[at++] = 0; // extended rcode: such replies are never relayed
  out[at++] = 0; // version
  out[at++] = dnssecOk ? 0x80 : 0;
  out[at++] = 0;
  out[at++] = options.length >> 8;
  out[at++] = options.length;
  for (let i = 0; i < options.length; i++) out[at++] = options[i]!;
  setWord(out, 10, word(out, 10) + 1);
  return at;
}

/** The extended errors (RFC 8914) among the options of the OPT record at `optAt`, as options: as many as `most` octets hold. */
export function extendedErrors(packet: Uint8Array, optAt: number, most: number): Uint8Array {
  let at = optAt + OPT_SIZE;
  const end = Math.min(packet.length, at + word(packet, optAt + 9));
  if (at + 6 > end) return NONE;
  const kept: Uint8Array[] = [];
  for (let size = 0; at + 4 <= end; ) {
    const next = at + 4 + word(packet, at + 2);
    if (next > end) break;
    if (word(packet, at) === OPTION_EDE && next - at >= 6 && size + next - at <= most) {
      kept.push(packet.subarray(at, next));
      size += next - at;
    }
    at = next;
  }
  return kept.length === 0 ? NONE : new Uint8Array(Buffer.concat(kept)); // memory of its own: the packet will be written into
}

/** One extended error as an option. */
export function errorOption(code: number, text: string): Uint8Array {
  const option = Buffer.alloc(6 + text.length);
  option.writeUInt16BE(OPTION_EDE, 0);
  option.writeUInt16BE(2 + text.length, 2);
  option.writeUInt16BE(code, 4);
  option.write(text, 6, "latin1");
  return option;
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

/** Offset behind the record, or -1: also for an OPT record, which has no place among answers. */
function recordEnd(packet: Uint8Array, from: number): number {
  const at = skipName(packet, from);
  if (at < 0 || at + 10 > packet.length || word(packet, at) === TYPE_OPT) return -1;
  const end = at + 10 + word(packet, at + 8);
  return end > packet.length ? -1 : end;
}

const OPTION_EDE = 15;
export const NONE = new Uint8Array(0);

const word = (packet: Uint8Array, at: number): number => (packet[at]! << 8) | packet[at + 1]!;

function setWord(packet: Uint8Array, at: number, value: number): void {
  packet[at] = value >> 8;
  packet[at + 1] = value;
}
