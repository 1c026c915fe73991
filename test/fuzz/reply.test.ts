/**
 * Whatever an upstream says: the survey stays inside the packet, what is cut or fitted is a message that a decoder of its own
 * reads, and the whole core gives each client exactly one reply, which is its own in id, question and size.
 */
import fc from "fast-check";
import { createForwarderCore } from "../../src/forwarder/core/core.ts";
import type { ForwardFailure, ForwardRequest } from "../../src/forwarder/core/types.ts";
import { cutReply, respellOwners } from "../../src/wire/fit.ts";
import { extendedErrors } from "../../src/wire/opt.ts";
import { ReplySurvey, surveyReply } from "../../src/wire/reply.ts";
import { query } from "../support/packets.ts";
import { damaged } from "./arbitraries.ts";
import { fuzz } from "./fuzz.ts";

const u16 = (n: number): number[] => [n >> 8, n & 255];
const QUESTION = [...query("Www.Example.com A").subarray(12)];
const END = 12 + QUESTION.length;

const owner = fc.oneof(
  fc.constantFrom([0xc0, 12], [0xc0, 16], [0xc0, 200], [0xc1, 0], [0], QUESTION.slice(0, -4), [1, 97, 0xc0, 16], [64]),
  fc.uint8Array({ maxLength: 6 }).map((octets) => [...octets]),
);
const ede = fc.uint8Array({ maxLength: 90 }).map((text) => [0, 15, ...u16(text.length + 2), 0, 18, ...text]);
const option = fc.oneof(ede, fc.constant([0, 10, 0, 2, 1, 2]), fc.constant([0, 12, 0, 200]));
const record = fc
  .tuple(owner, fc.constantFrom(1, 5, 6, 28, 46), fc.nat(0xffff), fc.uint8Array({ maxLength: 60 }))
  .map(([name, type, ttl, data]) => [...name, ...u16(type), 0, 1, 0, 0, ...u16(ttl), ...u16(data.length), ...data]);
const opt = fc
  .tuple(fc.nat(0xffff), fc.constantFrom(0, 0, 0, 1), fc.nat(255), fc.array(option, { maxLength: 4 }))
  .map(([size, extended, version, options]) => {
    const data = options.flat();
    return [0, 0, 41, ...u16(size), extended, version, 0, 0, ...u16(data.length), ...data];
  });
const flags = fc.constantFrom(0x8180, 0x8183, 0x8182, 0x8185, 0x8181, 0x8184, 0x8380, 0x8580, 0x0100);
const sections = fc.tuple(
  fc.array(record, { maxLength: 30 }),
  fc.array(record, { maxLength: 3 }),
  fc.array(fc.oneof(record, opt), { maxLength: 3 }),
);
/** Its id is 0 and its question in the client's case: the core's test puts in what was really asked. */
const reply = fc
  .tuple(flags, sections, fc.constantFrom(1, 1, 1, 0))
  .map(([flag, [an, ns, ar], questions]) =>
    Uint8Array.from([
      ...[0, 0, ...u16(flag), 0, questions, 0, an.length, 0, ns.length, 0, ar.length],
      ...(questions === 1 ? QUESTION : []),
      ...[an, ns, ar].flat(2),
    ]),
  );

const survey = new ReplySurvey();

fuzz("reply", damaged(reply), (input) => {
  if (input.length < END) return;
  const octets = Uint8Array.from(input);
  octets.set([0, 1], 4);
  octets.set(QUESTION, 12); // whoever asks has seen that it is repeated
  if (surveyReply(octets, END, survey)) {
    if (survey.end > octets.length || survey.optAt > survey.end) throw new Error("an end outside");
    for (const at of survey.ttlAt.subarray(0, survey.ttlCount))
      if (at + 4 > survey.end) throw new Error("a TTL outside");
    if (survey.optAt > 0 && extendedErrors(octets, survey.optAt, 160).length > 160) throw new Error("too many errors");
    const copy = Uint8Array.from(octets);
    respellOwners(copy, END, survey.end, query("www.example.com A"));
    if (!surveyReply(copy, END, survey)) throw new Error("respelled, and broken");
  }
  for (const room of [END, 100, 512, octets.length]) {
    const copy = Uint8Array.from(octets);
    const end = cutReply(copy, END, copy.length, room);
    if (end > Math.max(END, room)) throw new Error(`${end} octets in a room of ${room}`);
    if (!surveyReply(copy.subarray(0, end), END, survey) || survey.end !== end) throw new Error("cut, and broken");
  }
});

const CLIENTS = [
  { edns: false, limit: 512, id: 1 },
  { edns: true, limit: 512, id: 2 },
  { edns: true, limit: 1232, id: 3 },
  { edns: false, limit: 65_535, id: 4 },
];

fuzz("core", damaged(reply), (octets) => {
  let now = 0;
  let seed = 1;
  const sent: { lane: number; packet: Uint8Array; tcp: boolean }[] = [];
  const kinds = new Map<number, boolean>();
  const core = createForwarderCore({
    now: () => now,
    random: () => (seed = (seed * 25173 + 13849) & 0xffff),
    exchange: {
      open: (lane, kind) => kinds.set(lane, kind === "tcp"),
      send: (lane, packet) => sent.push({ lane, packet, tcp: kinds.get(lane)! }),
      close: () => {},
    },
  });
  const answers = CLIENTS.map((): (Uint8Array | ForwardFailure)[] => []);
  const ask = ({ edns, limit, id }: (typeof CLIENTS)[number], to: (Uint8Array | ForwardFailure)[]) => {
    const packet = query("www.example.com A", { id, ...(edns && { edns: 1232 }) });
    const question = packet.toString("latin1", 12, END - 5) + packet.toString("latin1", END - 4, END);
    const upstreams = UPSTREAMS;
    const request: ForwardRequest = {
      ...{ packet, questionEnd: END, question, edns, dnssecOk: false, limit, upstreams, from: "", asker: "a" },
    };
    core.forward(request, (outcome) => to.push(outcome));
  };
  CLIENTS.forEach((client, i) => {
    ask(client, answers[i]!);
  });
  // Everything that goes out is answered with it, under the right id, in the spelling that was asked.
  for (let i = 0; i < sent.length && i < 40; i++) {
    const { lane, packet } = sent[i]!;
    const given = Uint8Array.from(octets);
    if (given.length >= 2) given.set(packet.subarray(0, 2));
    if (given.length >= END && given[5] === 1) given.set(packet.subarray(12, END), 12);
    core.received(lane, given);
  }
  for (; core.nextDeadline() < Number.POSITIVE_INFINITY; core.tick()) now = Math.max(now, core.nextDeadline());
  CLIENTS.forEach((client, i) => {
    ask(client, answers[i]!); // from the cache, or from what is remembered of the failure, or once more
  });
  core.close();
  CLIENTS.forEach(({ edns, limit, id }, i) => {
    if (answers[i]!.length !== 2) throw new Error(`${answers[i]!.length} replies to two questions`);
    for (const answer of answers[i]!) {
      if (!(answer instanceof Uint8Array)) continue;
      if (answer.length > limit) throw new Error(`${answer.length} octets for a client that takes ${limit}`);
      if (answer[1] !== id || (answer[2]! & 0x80) === 0) throw new Error("not this client's");
      if (Buffer.from(answer.subarray(12, END)).compare(query("www.example.com A").subarray(12)) !== 0)
        throw new Error("another question");
      if (!surveyReply(answer, END, survey) || survey.end !== answer.length) throw new Error("not a message");
      if (survey.optAt > 0 !== edns) throw new Error(edns ? "no OPT" : "an OPT");
    }
  });
});

const UPSTREAMS = [{ address: "192.0.2.1", port: 53 }];
