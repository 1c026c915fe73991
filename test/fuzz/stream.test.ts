/** Octets of a TCP client, however they are cut: each whole message is served once, in order, and no more is held than came. */
import fc from "fast-check";
import { Connection, type Wire } from "../../src/server/transports/connection.ts";
import type { Handler } from "../../src/server/transports/transport.ts";
import { fuzz } from "./fuzz.ts";

/** A message behind its length. */
const framed = fc.uint8Array({ maxLength: 40 }).map((body) => Uint8Array.from([0, body.length, ...body]));
/** How many lengths of chunks follow, those, and the stream: messages, and now and then something else between them. */
const streams = fc
  .tuple(
    fc.uint8Array({ maxLength: 8 }),
    fc.array(fc.oneof({ weight: 8, arbitrary: framed }, fc.uint8Array({ maxLength: 6 })), { maxLength: 60 }),
  )
  .map(([cuts, parts]) => Uint8Array.from([cuts.length, ...cuts, ...parts.flatMap((p) => [...p])]));

fuzz("stream", streams, (input) => {
  const cuts = [...input.subarray(1, 1 + (input[0] ?? 0))];
  const octets = input.subarray(1 + cuts.length);
  const served: string[] = [];
  const late: (() => void)[] = [];
  let written = 0;
  const wire: Wire = { unread: 0, write: () => written++, changed() {}, end() {}, close() {} };
  const handler: Handler = {
    // Every third message is silent, every third answered at once, every third later.
    serve(packet) {
      served.push(Buffer.from(packet).toString("hex"));
      return (served.length % 3) - 1;
    },
    forward(_packet, _from, _kind, send) {
      late.push(() => send(new Uint8Array(12)));
    },
    failed() {},
    threw(error) {
      throw error;
    },
  };
  const connection = new Connection(wire, handler, "192.0.2.1", { unread: 0 }, 0);
  const turns = (): void => {
    do connection.turn();
    while (connection.more);
  };
  for (let at = 0, i = 0; at < octets.length; i++) {
    const length = 1 + (cuts[i % Math.max(1, cuts.length)] ?? 255);
    connection.received(octets.subarray(at, at + length));
    turns();
    at += length;
  }
  const expected = messages(octets);
  if (served.join() !== expected.join()) throw new Error(`served ${served}, not ${expected}`);
  for (const answer of late) answer();
  const answered = expected.filter((_, i) => i % 3 !== 0).length;
  if (connection.pending !== 0 || written !== answered) throw new Error(`${written} answers, not ${answered}`);
});

/** What RFC 1035 4.2.2 says, straight from the octets. */
function messages(octets: Uint8Array): string[] {
  const found: string[] = [];
  for (let at = 0; at + 2 <= octets.length; ) {
    const end = at + 2 + octets[at]! * 256 + octets[at + 1]!;
    if (end > octets.length) break;
    found.push(Buffer.from(octets.subarray(at + 2, end)).toString("hex"));
    at = end;
  }
  return found;
}
