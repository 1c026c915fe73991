import fc from "fast-check";
import { expect, test } from "vitest";
import { Compiler } from "../../src/scoping/compile.ts";
import { Tables } from "../../src/scoping/tables.ts";
import { createServing, LATER, MAX_TCP, MAX_UDP_LOOPBACK, serve } from "../../src/server/serve.ts";
import { parseQuery, Query } from "../../src/wire/query.ts";
import { query } from "../support/packets.ts";
import { changes, stateOf } from "../support/world.ts";

const tables = new Tables();
const tasks = Array.from({ length: 100 }, (_, i) => `task big.${i + 1} on n ip=10.0.2.${i + 1}`).join("\n");
tables.apply(
  new Compiler().compile(
    stateOf(
      changes(
        `network n overlay 10.0.0.0/16\n service web port=http:80/tcp on n vip=10.0.1.2 alias=*.w\n service big dnsrr port=1/tcp on n\n${tasks}\n container c on n ip=10.0.1.9\n sandbox c`,
      ),
    ),
    "all",
  ),
);
const q = new Query();
const serving = createServing({ compat: "none", negativeTtl: 5, identity: { version: "v", id: "i" } });

const names = fc.constantFrom(
  "web",
  "big",
  "tasks.big",
  "_1._tcp.big",
  "_big._tcp",
  "a.w",
  "9.web",
  "1.1.0.10.in-addr.arpa",
  "localhost",
  "x.invalid",
  "version.bind",
  "example.com",
  "",
);
const good = fc
  .record({
    name: names,
    type: fc.oneof(fc.constantFrom(1, 12, 16, 28, 33, 255), fc.nat(65_535)),
    cls: fc.constantFrom(1, 3, 4, 255),
    edns: fc.option(fc.nat(65_535), { nil: undefined }),
    do: fc.boolean(),
  })
  .map(({ name, type, cls, edns, ...rest }) =>
    query(`${name} TYPE${type}`, { cls, ...rest, ...(edns !== undefined && { edns }) }),
  );
const damaged = fc.tuple(good, fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 4 })).map(([packet, edits]) => {
  for (const [at, value] of edits) if (at < packet.length) packet[at] = value;
  return packet;
});
const bytes = fc.oneof(fc.uint8Array({ maxLength: 700 }), good, damaged);

test("for any bytes: no exception, nothing written behind the limit, nothing longer than the client takes", () => {
  const out = Buffer.alloc(MAX_TCP + 64);
  fc.assert(
    fc.property(bytes, fc.constantFrom(MAX_UDP_LOOPBACK, 1232, MAX_TCP), fc.boolean(), (packet, maximum, known) => {
      out.fill(0xaa);
      const length = serve(serving, packet, packet.length, maximum, known ? tables.scope("c") : undefined, out);
      if (length === LATER) return;
      parseQuery(packet, packet.length, q);
      const limit = maximum === MAX_TCP ? MAX_TCP : q.edns ? Math.min(Math.max(512, q.udpSize), maximum) : 512;
      expect(length).toBeLessThanOrEqual(limit);
      if (length === 0) return;
      expect([out[0], out[1], out[2]! & 0x80]).toEqual([packet[0], packet[1], 0x80]);
      expect(out.subarray(limit, limit + 64).every((b) => b === 0xaa)).toBe(true);
    }),
    { numRuns: 5_000 },
  );
});
