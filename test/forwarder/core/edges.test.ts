/** What no scenario can say: requests that are none, messages on sockets that are gone, and what is told of a core without its options. */
import { expect, test } from "vitest";
import { createForwarderCore } from "../../../src/forwarder/core/core.ts";
import type { ForwardFailure, ForwardRequest } from "../../../src/forwarder/core/types.ts";
import { query } from "../../support/packets.ts";

function world() {
  const said: string[] = [];
  const core = createForwarderCore({
    now: () => 0,
    random: () => 0,
    exchange: {
      open: (lane) => void said.push(`open ${lane}`),
      send: (lane) => void said.push(`send ${lane}`),
      close: (lane) => void said.push(`close ${lane}`),
    },
  });
  const ask = (given: Partial<ForwardRequest> = {}): (Uint8Array | ForwardFailure)[] => {
    const replies: (Uint8Array | ForwardFailure)[] = [];
    const packet = query("a A");
    const usual = { packet, questionEnd: 19, question: "\x01a\0\x01\0\x01", edns: false, dnssecOk: false, limit: 512 };
    const upstreams = [{ address: "192.0.2.1", port: 53 }];
    core.forward({ ...usual, upstreams, from: "", asker: "", ...given }, (outcome) => replies.push(outcome));
    return replies;
  };
  return { core, ask, said };
}

test.each<[string, Partial<ForwardRequest>]>([
  ["its question ends in its header", { questionEnd: 12 }],
  ["its question ends behind it", { questionEnd: 20 }],
])("a query that is not whole is FORMERR, and nobody is asked: %s", (_name, given) => {
  const { core, ask, said } = world();
  expect(ask(given)).toEqual([{ rcode: 1, ede: 0, text: "not a whole query" }]);
  expect([said, core.inFlight, core.counters.failures]).toEqual([[], 0, 0]);
});

test("a socket that was never open tells nothing", () => {
  const { core, ask } = world();
  const replies = ask();
  core.received(99, query("a A"));
  core.failed(99, "ECONNREFUSED");
  expect([replies, core.inFlight, core.counters.mismatched]).toEqual([[], 1, 0]);
});

test("nothing to do: no deadline; a question: when it is to be asked again", () => {
  const { core, ask } = world();
  expect(core.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  ask();
  expect(core.nextDeadline()).toBe(500);
  core.close();
  expect(core.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
});

test("1 024 questions at a time", () => {
  const { core, ask } = world();
  const upstreams = [{ address: "192.0.2.1", port: 53 }];
  const asked = (i: number) => ({ upstreams, question: `\x04${String(i).padStart(4, "0")}\0\x01\0\x01` });
  const replies = Array.from({ length: 1_025 }, (_, i) => ask(asked(i)));
  expect([core.inFlight, replies.findIndex((r) => r.length > 0)]).toEqual([1_024, 1_024]);
  expect(replies.at(-1)).toEqual([{ rcode: 5, ede: 0, text: "too many queries in flight" }]);
});
