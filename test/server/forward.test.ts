/** What goes to the forwarder, and back: of the packet that is given, whatever was served before it or meanwhile. */
import { describe, expect, test } from "vitest";
import type { ForwardReply, ForwardRequest } from "../../src/forwarder/core/types.ts";
import { nameKey } from "../../src/model/name.ts";
import { Compiler } from "../../src/scoping/compile.ts";
import { Tables } from "../../src/scoping/tables.ts";
import { forward } from "../../src/server/forward.ts";
import { createServing, LATER, MAX_TCP, MAX_UDP_LOOPBACK, serve } from "../../src/server/serve.ts";
import { query, told } from "../support/packets.ts";
import { changes, stateOf } from "../support/world.ts";

const tables = new Tables();
const world = "network n overlay 10.0.0.0/16\n container c on n ip=10.0.1.9\n sandbox c";
tables.apply(new Compiler().compile(stateOf(changes(world)), "all"));
const scope = tables.scope("c")!;

const cases = [
  ["Example.COM AAAA", { id: 1, edns: 1232 }, MAX_UDP_LOOPBACK, { edns: true, dnssecOk: false, limit: 1232 }],
  ["example.com A", { id: 2 }, MAX_UDP_LOOPBACK, { edns: false, dnssecOk: false, limit: 512 }],
  ["example.com A", { id: 3 }, MAX_TCP, { edns: false, dnssecOk: false, limit: 65_535 }],
  ["a.b.example A", { id: 4, edns: 4096, do: true }, MAX_TCP, { edns: true, dnssecOk: true, limit: 65_535 }],
] as const;

const meanwhile = [
  ["nothing", undefined],
  ["another question for upstreams", "somebody.else.entirely.example MX"],
  ["a question that is answered", "c.n A"],
] as const;

describe.each(meanwhile)("a packet is forwarded as itself, %s being served in between", (_what, between) => {
  test.each(cases)("%s %j", (question, options, maximum, expected) => {
    const serving = createServing({ compat: "none", negativeTtl: 5, identity: { version: "v", id: "i" } });
    const asked: [ForwardRequest, ForwardReply][] = [];
    const forwarder = { forward: (...one: [ForwardRequest, ForwardReply]) => asked.push(one) };
    const answers: Uint8Array[] = [];
    const out = Buffer.alloc(MAX_TCP);
    const serveOther = () => {
      if (between === undefined) return;
      const other = query(between, { edns: 700 });
      serve(serving, other, other.length, maximum, scope, out);
    };
    const packet = query(question, options);
    const slot = Buffer.concat([packet, Buffer.alloc(100, 0xff)]); // memory of a batch: longer than what came
    expect(serve(serving, slot, packet.length, maximum, scope, out)).toBe(LATER);
    serveOther();
    forward(serving, forwarder, scope, slot, packet.length, "10.0.1.9", maximum, (octets) => answers.push(octets));
    slot.fill(0); // the next batch
    serveOther();

    const [[request, reply] = []] = asked;
    const { edns, dnssecOk, limit, questionEnd } = request!;
    expect({ edns, dnssecOk, limit }).toEqual(expected);
    expect(Buffer.from(request!.packet)).toEqual(packet);
    const key = nameKey(question.split(" ")[0]!);
    expect(questionEnd).toBe(12 + key.length + 5);
    expect(request!.question).toBe(key + packet.toString("latin1", questionEnd - 4, questionEnd));
    reply!({ rcode: 2, ede: 23, text: "nobody there" });
    const { id, rcode, question: echoed } = told(answers[0]!);
    expect([id, rcode, echoed]).toEqual([options.id, "SERVFAIL", question]);
  });
});
