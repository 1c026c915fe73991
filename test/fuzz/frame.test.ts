/** Whatever a stream of an upstream's holds, however it is cut: the messages in it and no other. */
import fc from "fast-check";
import { Frames } from "../../src/wire/frames.ts";
import { fuzz } from "./fuzz.ts";

const message = fc.uint8Array({ maxLength: 40 }).map((body) => [body.length >> 8, body.length & 255, ...body]);
const stream = fc
  .tuple(fc.array(message, { maxLength: 12 }), fc.uint8Array({ maxLength: 8 }))
  .map(([messages, rest]) => Uint8Array.from([...messages.flat(), ...rest]));

/** The messages by the book: two octets of length, so many octets, and so on. */
function messagesOf(octets: Uint8Array): string[] {
  const found: string[] = [];
  for (let at = 0; at + 2 <= octets.length; ) {
    const end = at + 2 + ((octets[at]! << 8) | octets[at + 1]!);
    if (end > octets.length) break;
    found.push(Buffer.from(octets.subarray(at + 2, end)).toString("hex"));
    at = end;
  }
  return found;
}

fuzz("frame", fc.oneof(stream, fc.uint8Array({ maxLength: 300 })), (octets) => {
  // The octets themselves say how they are cut, so that what fails once fails again.
  const got: string[] = [];
  const stopAt = octets.length % 7 === 0 ? 3 : Number.POSITIVE_INFINITY;
  const frames = new Frames();
  const take = (m: Buffer) => got.push(m.toString("hex")) < stopAt;
  for (let at = 0, i = 0; at < octets.length && got.length < stopAt; i++) {
    const end = at + 1 + (octets[(i * 13) % octets.length]! % 17);
    frames.pushAndTake(octets.subarray(at, end), take);
    at = end;
  }
  const expected = messagesOf(octets).slice(0, stopAt);
  if (got.join() !== expected.join()) throw new Error(`${got.join()} instead of ${expected.join()}`);
});
