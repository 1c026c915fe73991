/** The OPT record of what we write (RFC 6891): answers, queries for upstreams; and extended errors in it (RFC 8914). */
import { TYPE_OPT } from "./constants.ts";
import type { Query } from "./query.ts";
import { setWord, word } from "./word.ts";

/** Writes the record from `at` on and returns where it ends. */
export function writeOpt(query: Query, out: Uint8Array, at: number, rcode: number, ede: Ede | undefined): number {
  const options = writeHead(out, at, rcode, query.dnssecOk);
  const end = ede === undefined ? options : writeError(out, options, ede);
  setWord(out, options - 2, end - options);
  return end;
}

/** Writes the record with these options behind the packet's last one, and counts it; the length afterwards. There must be room. */
export function appendOpt(out: Uint8Array, from: number, dnssecOk: boolean, options: Uint8Array): number {
  let at = writeHead(out, from, 0, dnssecOk); // replies with extended rcodes are never relayed
  setWord(out, at - 2, options.length);
  for (let i = 0; i < options.length; i++) out[at++] = options[i]!;
  setWord(out, ADDITIONAL, word(out, ADDITIONAL) + 1);
  return at;
}

/** Extended DNS error to send along. Of the text, as many whole characters go out as fit 160 octets of UTF-8. */
export interface Ede {
  readonly code: number;
  readonly text: string;
}

/** One extended error as an option. */
export function errorOption(ede: Ede): Uint8Array {
  const option = new Uint8Array(ERROR_SIZE + LONGEST_TEXT);
  return option.slice(0, writeError(option, 0, ede));
}

/** The extended errors among the options of the OPT record at `optAt`, as options: as many as `most` octets hold. */
export function extendedErrors(packet: Uint8Array, optAt: number, most: number): Uint8Array {
  let at = optAt + OPT_SIZE;
  const end = Math.min(packet.length, at + word(packet, optAt + 9));
  if (at + ERROR_SIZE > end) return NO_OPTIONS;
  const kept: Uint8Array[] = [];
  for (let size = 0; at + 4 <= end; ) {
    const next = at + 4 + word(packet, at + 2);
    if (next > end) break;
    if (word(packet, at) === OPTION_EDE && next - at >= ERROR_SIZE && size + next - at <= most) {
      kept.push(packet.subarray(at, next));
      size += next - at;
    }
    at = next;
  }
  return kept.length === 0 ? NO_OPTIONS : new Uint8Array(Buffer.concat(kept)); // memory of its own: the packet will be written into
}

export const NO_OPTIONS: Uint8Array = new Uint8Array(0);

/** Octets of the record when it says nothing beside its header. */
export const OPT_SIZE = 11;

/** Largest UDP payload we say we can receive, upstream and down (the size DNS flag day 2020 settled on). */
export const OUR_UDP_SIZE = 1232;

/** With the longest question (271 octets), our SOA (64) and the rest of the OPT (17) that is 512, which every client takes. */
const LONGEST_TEXT = 160;

const OPTION_EDE = 15;
/** Octets of an extended error without its text: code and length of the option, code of the error. */
const ERROR_SIZE = 6;
/** Where a packet counts its additional records. */
const ADDITIONAL = 10;

/** All but the options and, in front of them, their length. The owner is the root, the version 0, whatever the client's was. */
function writeHead(out: Uint8Array, at: number, rcode: number, dnssecOk: boolean): number {
  out[at] = 0;
  setWord(out, at + 1, TYPE_OPT);
  setWord(out, at + 3, OUR_UDP_SIZE);
  out[at + 5] = rcode >> 4;
  out[at + 6] = 0;
  setWord(out, at + 7, dnssecOk ? 0x8000 : 0);
  return at + OPT_SIZE;
}

/** The option; where it ends. */
function writeError(out: Uint8Array, at: number, { code, text }: Ede): number {
  const end = writeText(out, at + ERROR_SIZE, text);
  setWord(out, at, OPTION_EDE);
  setWord(out, at + 2, end - at - 4);
  setWord(out, at + 4, code);
  return end;
}

/** UTF-8, as RFC 8914 2 wants it, cut between two characters; half a surrogate pair becomes U+FFFD. */
function writeText(out: Uint8Array, from: number, text: string): number {
  let p = from;
  for (let i = 0; i < text.length; i++) {
    let c = text.codePointAt(i)!;
    if (c > 0xffff) i++;
    else if (c >= 0xd800 && c <= 0xdfff) c = 0xfffd;
    const more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3; // octets behind the first
    if (p + more >= from + LONGEST_TEXT) break;
    out[p++] = more === 0 ? c : ((0xff00 >> (more + 1)) & 0xff) | (c >> (6 * more));
    for (let left = more - 1; left >= 0; left--) out[p++] = 0x80 | ((c >> (6 * left)) & 0x3f);
  }
  return p;
}
