import fc from "fast-check";
import { expect, test } from "vitest";
import { createForwarderCore } from "../../../src/forwarder/core/core.ts";
import { query } from "../../support/packets.ts";

const lists = [[1, 2], [2], [3]].map((list) => list.map((n) => ({ address: `192.0.2.${n}`, port: 53 })));
const names = ["a", "b.example", "c"];

const REQUEST = { questionEnd: 19, edns: false, dnssecOk: false, limit: 512, from: "", asker: "a" };

/** What may happen, in any order: clients ask, packets come (true ones, bent ones, noise), sockets fail, time goes by. */
const events = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant("ask" as const),
      name: fc.nat(2),
      list: fc.nat(2),
      id: fc.nat(65535),
      edns: fc.boolean(),
    }),
    fc.record({
      kind: fc.constant("reply" as const),
      pick: fc.nat(),
      flags: fc.constantFrom(0x8180, 0x8380, 0x8181, 0x8182, 0x8183, 0x8185, 0x0100),
    }),
    fc.record({
      kind: fc.constant("bend" as const),
      pick: fc.nat(),
      at: fc.nat(60),
      value: fc.nat(255),
      length: fc.nat(80),
    }),
    fc.record({ kind: fc.constant("noise" as const), lane: fc.nat(20), bytes: fc.uint8Array({ maxLength: 40 }) }),
    fc.record({ kind: fc.constant("return" as const), pick: fc.nat(), list: fc.nat(2) }),
    fc.record({
      kind: fc.constant("fail" as const),
      pick: fc.nat(),
      reason: fc.constantFrom("ECONNREFUSED", "connection closed"),
    }),
    fc.record({ kind: fc.constant("time" as const), ms: fc.nat(3000) }),
  ),
  { maxLength: 60 },
);

test("whatever happens, every client gets exactly one reply and nothing is left open", () => {
  fc.assert(
    fc.property(events, (list) => {
      let now = 0;
      let seed = 1;
      let asked = 0;
      const replies: number[] = [];
      const open = new Set<number>();
      const sent: { lane: number; packet: Uint8Array }[] = [];
      const core = createForwarderCore({
        now: () => now,
        random: () => (seed = (seed * 25173 + 13849) & 0xffff),
        options: { maxInFlight: 4 },
        exchange: {
          open: (lane) => void open.add(lane),
          send: (lane, packet) => {
            expect(open.has(lane)).toBe(true);
            sent.push({ lane, packet: Uint8Array.from(packet) });
          },
          close: (lane) => expect(open.delete(lane)).toBe(true),
        },
      });
      const ask = (packet: Uint8Array, upstreams: number) => {
        const me = asked++;
        replies[me] = 0;
        const nameEnd = packet.indexOf(0, 12) + 1;
        const questionEnd = nameEnd + 4;
        const text = Buffer.from(packet).toString("latin1", 12, questionEnd);
        const question = text.slice(0, nameEnd - 13).toLowerCase() + text.slice(nameEnd - 12);
        const edns = packet.length > questionEnd;
        const request = { ...REQUEST, packet, questionEnd, question, edns, asker: `${upstreams}` };
        core.forward({ ...request, upstreams: lists[upstreams]! }, () => {
          replies[me]!++;
          // A client on a connection asks the next thing at once, from inside its reply.
          if (me % 3 === 0 && asked < 90) ask(query(`${names[me % 2]} TYPE${me}`), upstreams);
        });
      };
      const pass = (ms: number) => {
        for (const until = now + ms; ; core.tick()) {
          const next = core.nextDeadline();
          now = Math.min(until, Math.max(now, next));
          if (next > until) break;
        }
      };
      for (const event of list) {
        const at = "pick" in event && sent.length > 0 ? sent[event.pick % sent.length] : undefined;
        if (event.kind === "ask")
          ask(query(`${names[event.name]} A`, { id: event.id, ...(event.edns && { edns: 1232 }) }), event.list);
        else if (event.kind === "noise") core.received(event.lane, event.bytes);
        else if (event.kind === "time") pass(event.ms);
        else if (at === undefined) continue;
        else if (event.kind === "fail") core.failed(at.lane, event.reason);
        else if (event.kind === "return") ask(Uint8Array.from(at.packet), event.list);
        else {
          const packet = Uint8Array.from(at.packet);
          packet[2] = event.kind === "reply" ? event.flags >> 8 : 0x81;
          packet[3] = event.kind === "reply" ? event.flags & 255 : 0x80;
          if (event.kind === "bend") packet[event.at % packet.length] = event.value;
          core.received(at.lane, event.kind === "bend" ? packet.subarray(0, event.length) : packet);
        }
      }
      pass(30_000);
      expect(replies.filter((n) => n !== 1)).toEqual([]);
      expect([core.inFlight, open.size, core.nextDeadline()]).toEqual([0, 0, Number.POSITIVE_INFINITY]);
    }),
    { numRuns: 500 },
  );
});
