/** Whatever comes in as a query: no exception, and never more octets written than there is room for. */
import fc from "fast-check";
import { parseQuery, Query } from "../../src/wire/query.ts";
import { damaged } from "./arbitraries.ts";
import { fuzz } from "./fuzz.ts";

const label = fc.uint8Array({ minLength: 1, maxLength: 63 });
const u16 = (n: number): number[] => [n >> 8, n & 255];
const name = fc.array(label, { maxLength: 6 }).map((labels) => [...labels.flatMap((l) => [l.length, ...l]), 0]);
const option = fc
  .tuple(fc.nat(65_535), fc.uint8Array({ maxLength: 24 }))
  .map(([code, data]) => [...u16(code), ...u16(data.length), ...data]);
const opt = fc
  .tuple(fc.nat(65_535), fc.nat(255), fc.nat(65_535), fc.array(option, { maxLength: 3 }))
  .map(([size, version, flags, options]) => {
    const data = options.flat();
    return [0, 0, 41, ...u16(size), 0, version, ...u16(flags), ...u16(data.length), ...data];
  });
export const query: fc.Arbitrary<Uint8Array> = fc
  .tuple(fc.nat(65_535), fc.nat(65_535), name, fc.nat(300), fc.constantFrom(1, 3, 255), fc.array(opt, { maxLength: 2 }))
  .map(([id, flags, qname, type, cls, opts]) =>
    Uint8Array.from([
      ...u16(id),
      ...u16(flags),
      0,
      1,
      0,
      0,
      0,
      0,
      0,
      opts.length,
      ...qname,
      ...u16(type),
      ...u16(cls),
      ...opts.flat(),
    ]),
  );

const into = new Query();
fuzz("query", damaged(query), (packet) => {
  const verdict = parseQuery(packet, packet.length, into);
  if (verdict === 0 && (into.questionEnd < 17 || into.questionEnd > packet.length))
    throw new Error("a question outside");
});
