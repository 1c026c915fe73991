/** The slow road: a question that is not ours goes to the forwarder, and what comes back is fitted to this client. */
import type { Forwarder } from "../forwarder/types.ts";
import type { Scope } from "../scoping/scope.ts";
import { writeError, writeTruncated } from "../wire/answer.ts";
import { parseQuery, Query } from "../wire/query.ts";
import { limitOf, type Serving } from "./serve.ts";

/**
 * Forwards the packet that `serve` just said LATER to: `serving.query` still holds it. `send` gets the upstream's answer
 * octet for octet, an error of ours, or a truncated answer if the client can't take the whole one.
 */
export function forward(
  serving: Serving,
  forwarder: Pick<Forwarder, "forward">,
  scope: Scope,
  packet: Uint8Array,
  from: string,
  maximum: number,
  send: (answer: Uint8Array) => void,
): void {
  const { query } = serving;
  const limit = limitOf(query, maximum);
  const question =
    query.key + String.fromCharCode(query.type >> 8, query.type & 255, query.class >> 8, query.class & 255);
  const { questionEnd, edns } = query;
  forwarder.forward({ packet, questionEnd, question, edns, upstreams: scope.upstreams, from }, (outcome) => {
    if (outcome instanceof Uint8Array && outcome.length <= limit) return send(outcome);
    parseQuery(packet, packet.length, again);
    out.set(packet.subarray(0, questionEnd));
    const length =
      outcome instanceof Uint8Array
        ? writeTruncated(again, out, serving.style)
        : writeError(again, out, serving.style, outcome.rcode, { code: outcome.ede, text: outcome.text });
    send(Buffer.from(out.subarray(0, length)));
  });
}

const again = new Query(); // by now `serving.query` holds some later packet
const out = Buffer.alloc(1024);
