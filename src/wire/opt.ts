/** The OPT record of our answers (RFC 6891), and the extended error that it may carry (RFC 8914). */
import { TYPE_OPT } from "./constants.ts";
import type { Query } from "./query.ts";

/** Writes the record from `at` on and returns where it ends. Its owner is the root, its version 0, whatever the client's was. */
export function writeOpt(query: Query, out: Uint8Array, at: number, rcode: number, ede: Ede | undefined): number {
  let p = at;
  out[p++] = 0;
  out[p++] = 0;
  out[p++] = TYPE_OPT;
  out[p++] = OUR_UDP_SIZE >> 8;
  out[p++] = OUR_UDP_SIZE & 255;
  out[p++] = rcode >> 4;
  out[p++] = 0;
  out[p++] = query.dnssecOk ? 0x80 : 0;
  out[p++] = 0;
  p += 2;
  if (ede !== undefined) {
    out[p++] = 0;
    out[p++] = 15; // option code: extended DNS error
    p += 2;
    out[p++] = ede.code >> 8;
    out[p++] = ede.code;
    p = writeText(out, p, ede.text);
    writeLength(out, at + 13, p);
  }
  writeLength(out, at + 9, p);
  return p;
}

/** Extended DNS error to send along. Of the text, as many whole characters go out as fit 160 octets of UTF-8. */
export interface Ede {
  readonly code: number;
  readonly text: string;
}

/** Octets of the record when it says nothing beside its header. */
export const OPT_SIZE = 11;

/** Largest UDP payload we say we can receive, upstream and down (the size DNS flag day 2020 settled on). */
export const OUR_UDP_SIZE = 1232;

/** With the longest question (271 octets), our SOA (64) and the rest of the OPT (17) that is 512, which every client takes. */
const LONGEST_TEXT = 160;

/** The two octets at `from` say how many follow them, up to `end`. */
function writeLength(out: Uint8Array, from: number, end: number): void {
  const length = end - from - 2;
  out[from] = length >> 8;
  out[from + 1] = length;
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
