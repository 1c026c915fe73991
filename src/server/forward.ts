/** The slow road: a question that is not ours goes to the forwarder, and what comes back goes to this client. */
import type { Forwarder } from "../forwarder/core/types.ts";
import type { Scope } from "../scoping/scope.ts";
import { writeError, writeNegative } from "../wire/answer.ts";
import { NOERROR, NXDOMAIN } from "../wire/constants.ts";
import { parseQuery, Query } from "../wire/query.ts";
import { headerRcode } from "../wire/reply.ts";
import { limitOf, type Serving } from "./serve.ts";

/**
 * Forwards the first `length` octets of a packet that `serve` said LATER to; they are copied. `send` gets the upstream's answer as
 * this client takes it, or an error of ours.
 */
export function forward(
  serving: Serving,
  forwarder: Pick<Forwarder, "forward">,
  scope: Scope,
  served: Uint8Array,
  length: number,
  from: string,
  maximum: number,
  send: (answer: Uint8Array) => void,
): void {
  const packet = Buffer.from(served.subarray(0, length));
  const query = queryOf(serving, served, packet);
  const { key, type, class: cls, questionEnd, edns, dnssecOk } = query;
  const limit = limitOf(query, maximum);
  const question = key + String.fromCharCode(type >> 8, type & 255, cls >> 8, cls & 255);
  const { id: asker, upstreams } = scope;
  const request = { packet, questionEnd, question, edns, dnssecOk, limit, upstreams, from, asker };
  forwarder.forward(request, (outcome) => {
    const reply = outcome instanceof Uint8Array;
    if (reply && !deniesOurs(serving, scope, question, outcome)) return send(outcome);
    parseQuery(packet, packet.length, parsed);
    out.set(packet.subarray(0, questionEnd));
    const written = reply
      ? writeNegative(parsed, out, serving.style, NOERROR, serving.soa, parsed.key.length)
      : writeError(parsed, out, serving.style, outcome.rcode, { code: outcome.ede, text: outcome.text });
    send(Buffer.from(out.subarray(0, written)));
  });
}

/** What the packet asks: as `serve` has read it, if that was the last one it said LATER to; else it is read again. */
function queryOf({ later }: Serving, served: Uint8Array, packet: Uint8Array): Query {
  if (later.packet === served) return later.query;
  parseQuery(packet, packet.length, parsed);
  return parsed;
}

/**
 * True if an upstream says that a name does not exist which names of ours are below, `mynet` say: whoever believed that would
 * not ask for `web.mynet` any more (RFC 8020). The name exists, and has no data.
 */
function deniesOurs({ compat }: Serving, scope: Scope, question: string, reply: Uint8Array): boolean {
  return headerRcode(reply) === NXDOMAIN && compat !== "docker" && scope.isAbove(question.slice(0, -4));
}

/** Good until the next packet, which may come while an upstream is waited for. */
const parsed = new Query();
const out = Buffer.alloc(1024);
