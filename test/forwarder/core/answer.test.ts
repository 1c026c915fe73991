import { describe, expect, test } from "vitest";
import { type Answer, answerOf, bareAnswer, fitAnswer, partOf } from "../../../src/forwarder/core/answer.ts";
import { type ForwardRequest, STREAM } from "../../../src/forwarder/core/types.ts";
import { ReplySurvey, surveyReply } from "../../../src/wire/reply.ts";
import { hex } from "../../support/text.ts";

const Q = "04 70656572 00 0001 0001"; // peer A IN: ends at 22
const A = "c00c 0001 0001 0000003c 0004 01020304"; // 16 octets
const EDE = "000f 0006 0012 61626364"; // 10 octets
const opt = (options = "", dnssecOk = false) =>
  `00 0029 04d0 00 00 ${dnssecOk ? "8000" : "0000"} ${hex(options).length.toString(16).padStart(4, "0")} ${options}`;

const asked = (given: Partial<ForwardRequest> = {}, packet = `4321 0100 0001 0000 0000 0000 ${Q}`): ForwardRequest => ({
  packet: hex(packet),
  questionEnd: 22,
  question: "",
  edns: false,
  dnssecOk: false,
  limit: 512,
  upstreams: [],
  from: "",
  asker: "",
  ...given,
});

const text = (octets: Uint8Array): string => Buffer.from(octets).toString("hex");
const same = (octets: Uint8Array, expected: string): void => expect(text(octets)).toBe(text(hex(expected)));

function answer(packet: string, request = asked()): Answer {
  const octets = hex(packet);
  const survey = new ReplySurvey();
  expect(surveyReply(octets, 22, survey)).toBe(true);
  return answerOf(octets, survey, request);
}

describe("what is kept of a reply", () => {
  test.each([
    ["no OPT record", `1234 8180 0001 0001 0000 0000 ${Q}${A}`, "0000", 38, ""],
    ["the OPT record goes", `1234 8180 0001 0001 0000 0001 ${Q}${A}${opt()}`, "0000", 38, ""],
    ["its errors stay", `1234 8180 0001 0001 0000 0001 ${Q}${A}${opt(EDE)}`, "0000", 38, EDE],
    ["records before it are counted", `1234 8180 0001 0001 0000 0002 ${Q}${A}${A}${opt()}`, "0001", 54, ""],
    ["records behind the answer, and no OPT record", `1234 8180 0001 0001 0000 0001 ${Q}${A}${A}`, "0001", 54, ""],
    ["also above 255", `1234 8180 0001 0000 0000 0102 ${Q}${A.repeat(257)}${opt()}`, "0101", 22 + 257 * 16, ""],
    ["those behind it go", `1234 8180 0001 0001 0000 0002 ${Q}${A}${opt()}${A}`, "0000", 38, ""],
    ["octets behind the last record go", `1234 8180 0001 0001 0000 0000 ${Q}${A} ffff`, "0000", 38, ""],
  ])("%s", (_name, packet, additional, end, errors) => {
    const kept = answer(packet);
    expect([text(kept.octets.subarray(10, 12)), kept.end]).toEqual([additional, end]);
    same(kept.errors, errors);
  });

  test("160 octets of errors", () => {
    expect(answer(`1234 8180 0001 0001 0000 0001 ${Q}${A}${opt(EDE.repeat(17))}`).errors.length).toBe(160);
  });

  test("owners that are spelled out get the client's spelling", () => {
    const mixed = asked({}, `4321 0100 0001 0000 0000 0000 04 50456552 00 0001 0001`);
    const kept = answer(`1234 8180 0001 0001 0000 0000 ${Q} 04 70656572 00 0001 0001 0000003c 0004 01020304`, mixed);
    same(kept.octets.subarray(22, 28), "04 50456552 00");
  });

  test("of a truncated one, what is whole", () => {
    const packet = hex(`1234 8180 0001 0002 0000 0001 ${Q}${A}${A}`).subarray(0, 50);
    const part = partOf(packet, asked());
    expect(part.end).toBe(38);
    same(part.octets, `1234 8380 0001 0001 0000 0000 ${Q}${A}`);
    same(packet.subarray(0, 12), "1234 8180 0001 0002 0000 0001"); // as it came
  });

  test("of an error, rcode and extended errors", () => {
    const packet = hex(`1234 8182 0001 0001 0001 0001 ${Q}${A}${A}${opt(EDE)}`);
    const survey = new ReplySurvey();
    surveyReply(packet, 22, survey);
    const bare = bareAnswer(packet, survey, asked());
    same(bare.octets, `1234 8182 0001 0000 0000 0000 ${Q}`);
    expect(bare.end).toBe(22);
    same(bare.errors, EDE);
  });
});

describe("as a client gets it", () => {
  const plain = `1234 85a0 0001 0001 0000 0000 ${Q}${A}`; // 38 octets; AA, RD, AD
  test.each<[string, string, ForwardRequest, string]>([
    [
      "its id, its RD, its spelling",
      plain,
      asked({}, "4321 0000 0001 0000 0000 0000 04 50456552 00 0001 0001"),
      `4321 84a0 0001 0001 0000 0000 04 50456552 00 0001 0001 ${A}`,
    ],
    ["its CD", plain, asked({}, `4321 0110 0001 0000 0000 0000 ${Q}`), `4321 85b0 0001 0001 0000 0000 ${Q}${A}`],
    ["not another's", `1234 85b0 0001 0001 0000 0000 ${Q}${A}`, asked(), `4321 85a0 0001 0001 0000 0000 ${Q}${A}`],
    ["just room enough", plain, asked({ limit: 38 }), `4321 85a0 0001 0001 0000 0000 ${Q}${A}`],
    [
      "all of it with additional records, just room enough",
      `1234 8180 0001 0001 0000 0001 ${Q}${A}${A}`,
      asked({ limit: 54 }),
      `4321 8180 0001 0001 0000 0001 ${Q}${A}${A}`,
    ],
    [
      "those go first",
      `1234 8180 0001 0001 0000 0001 ${Q}${A}${A}`,
      asked({ limit: 53 }),
      `4321 8180 0001 0001 0000 0000 ${Q}${A}`,
    ],
    ["one octet less", plain, asked({ limit: 37 }), `4321 87a0 0001 0000 0000 0000 ${Q}`],
    ["with EDNS", plain, asked({ edns: true }), `4321 85a0 0001 0001 0000 0001 ${Q}${A}${opt()}`],
    ["with DO", plain, asked({ edns: true, dnssecOk: true }), `4321 85a0 0001 0001 0000 0001 ${Q}${A}${opt("", true)}`],
    [
      "errors are for who has EDNS",
      `1234 8180 0001 0001 0000 0001 ${Q}${A}${opt(EDE)}`,
      asked(),
      `4321 8180 0001 0001 0000 0000 ${Q}${A}`,
    ],
    [
      "errors, just room enough",
      `1234 8180 0001 0001 0000 0001 ${Q}${A}${opt(EDE)}`,
      asked({ edns: true, limit: 59 }),
      `4321 8180 0001 0001 0000 0001 ${Q}${A}${opt(EDE)}`,
    ],
    [
      "errors go before records",
      `1234 8180 0001 0001 0000 0001 ${Q}${A}${opt(EDE)}`,
      asked({ edns: true, limit: 58 }),
      `4321 8180 0001 0001 0000 0001 ${Q}${A}${opt()}`,
    ],
    [
      "just without them",
      `1234 8180 0001 0001 0000 0001 ${Q}${A}${opt(EDE)}`,
      asked({ edns: true, limit: 49 }),
      `4321 8180 0001 0001 0000 0001 ${Q}${A}${opt()}`,
    ],
    [
      "but stay where records go anyway",
      `1234 8180 0001 0001 0000 0001 ${Q}${A}${opt(EDE)}`,
      asked({ edns: true, limit: 48 }),
      `4321 8380 0001 0000 0000 0001 ${Q}${opt(EDE)}`,
    ],
    ["over a stream", plain, asked({ edns: true, limit: STREAM }), `4321 85a0 0001 0001 0000 0001 ${Q}${A}${opt()}`],
  ])("%s", (_name, packet, request, expected) => {
    same(fitAnswer(answer(packet), request, false), expected);
    same(fitAnswer(answer(packet), request, true), expected);
  });

  test("own octets are written into where they suffice, others' never", () => {
    const kept = answer(`${plain}`);
    const before = text(kept.octets);
    fitAnswer(kept, asked(), false);
    expect(text(kept.octets)).toBe(before);
    expect(fitAnswer(kept, asked(), true).buffer).toBe(kept.octets.buffer);
    expect(text(kept.octets)).not.toBe(before);
    const exact = { ...kept, octets: new Uint8Array(kept.octets) };
    expect(fitAnswer(exact, asked(), true).buffer).toBe(exact.octets.buffer);
    expect(fitAnswer(exact, asked({ edns: true }), true).buffer).not.toBe(exact.octets.buffer);
  });
});
