/** What goes to the forwarder, and back: of the packet that is given, whatever was served before it or meanwhile. */
import { expect, test } from "vitest";
import type { ForwardReply, ForwardRequest } from "../../src/forwarder/core/types.ts";
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

test.each([
  ["Example.COM AAAA", { id: 1, edns: 1232 }, MAX_UDP_LOOPBACK, { edns: true, limit: 1232, end: 29 }],
  ["example.com A", { id: 2 }, MAX_UDP_LOOPBACK, { edns: false, limit: 512, end: 29 }],
  ["example.com A", { id: 3 }, MAX_TCP, { edns: false, limit: 65_535, end: 29 }],
  ["a.b.example A", { id: 4, edns: 4096, do: true }, MAX_TCP, { edns: true, limit: 65_535, end: 29 }],
])(
  "%s %j is forwarded as itself though another query was served in between",
  (question, options, maximum, expected) => {
    const serving = createServing({ compat: "none", negativeTtl: 5, identity: { version: "v", id: "i" } });
    const asked: [ForwardRequest, ForwardReply][] = [];
    const packet = query(question, options);
    const other = query("somebody.else.entirely.example MX", { edns: 700 });
    const out = Buffer.alloc(MAX_TCP);
    const serveOther = () => expect(serve(serving, other, other.length, maximum, scope, out)).toBe(LATER);
    expect(serve(serving, packet, packet.length, maximum, scope, out)).toBe(LATER);
    serveOther();
    let answer: Uint8Array | undefined;
    forward(
      serving,
      { forward: (request, reply) => asked.push([request, reply]) },
      scope,
      packet,
      "10.0.1.9",
      maximum,
      (octets) => {
        answer = octets;
      },
    );
    const [[request, reply] = []] = asked;
    const { edns, limit, questionEnd: end } = request!;
    expect({ edns, limit, end }).toEqual(expected);
    expect(request!.question).toBe(
      packet
        .toString("latin1", 12, end)
        .toLowerCase()
        .replace(/\0(..)(..)$/s, "$1$2"),
    );
    serveOther();
    reply!({ rcode: 2, ede: 23, text: "nobody there" });
    const { id, rcode } = told(answer!);
    expect([id, rcode, told(answer!).question]).toEqual([options.id, "SERVFAIL", question]);
  },
);
