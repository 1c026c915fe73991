import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { keyName } from "../../src/model/name.ts";
import { DROP, parseQuery, Query } from "../../src/wire/query.ts";
import { guarded } from "../support/guarded.ts";
import { query } from "../support/packets.ts";
import { hex } from "../support/text.ts";

const HEAD = "1234 0100 0001 0000 0000 0000";
const PEER = "04 70656572 00 0001 0001"; // peer A IN
const A = "c00c 0001 0001 00000005 0004 01020304";
const OPT = "00 0029 04d0 00 00 0000 0000";
const verdicts: Record<number, string> = { 0: "serve", 1: "FORMERR", 4: "NOTIMP", 16: "BADVERS", [DROP]: "drop" };

function parse(packet: Buffer): string {
  const q = new Query();
  const received = guarded(Buffer.concat([packet, Buffer.alloc(32, 1)]), packet.length); // memory holds more than the packet
  const verdict = verdicts[parseQuery(received, packet.length, q)]!;
  const edns = q.edns ? ` edns=${q.udpSize}${q.dnssecOk ? " do" : ""}` : "";
  if (verdict !== "serve" && verdict !== "BADVERS")
    return `${verdict}${q.questionEnd > 0 ? ` ${keyName(q.key)}` : ""}${edns}`;
  return `${verdict} ${keyName(q.key)} ${q.type}/${q.class}${edns}`;
}

describe("a packet's verdict", () => {
  test.each([
    ["nothing", "", "drop"],
    ["eleven octets", "1234 0100 0001 0000 0000 00", "drop"],
    ["a response (QR=1)", `1234 8180 0001 0000 0000 0000 ${PEER}`, "drop"],
    ["plain", HEAD + PEER, "serve peer 1/1"],
    ["upper case is folded", `${HEAD} 04 50454552 00 0001 0001`, "serve peer 1/1"],
    ["from A to Z", `${HEAD} 04 405a415b 00 0001 0001`, "serve @za[ 1/1"],
    ["the root", `${HEAD} 00 0002 0001`, "serve  2/1"],
    ["header only", HEAD, "FORMERR"],
    ["no question", "1234 0100 0000 0000 0000 0000", "FORMERR"],
    ["two questions", `1234 0100 0002 0000 0000 0000 ${PEER}${PEER}`, "FORMERR"],
    ["256 questions", `1234 0100 0100 0000 0000 0000 ${PEER}`, "FORMERR"],
    ["name without end", `${HEAD} 04 7065`, "FORMERR"],
    ["name, no type", `${HEAD} 04 70656572 00`, "FORMERR"],
    ["name, half a class", `${HEAD} 04 70656572 00 0001 00`, "FORMERR"],
    ["garbage behind the question", `${HEAD}${PEER} 67617262`, "serve peer 1/1"],
    ["label of 64", `${HEAD} 40 ${"61".repeat(64)} 00 0001 0001`, "FORMERR"],
    ["label of 63", `${HEAD} 3f ${"61".repeat(63)} 00 0001 0001`, `serve ${"a".repeat(63)} 1/1`],
    [
      "name of 255 octets",
      `${HEAD} ${`3f ${"61".repeat(63)}`.repeat(3)} 3d ${"61".repeat(61)} 00 0001 0001`,
      `serve ${`${"a".repeat(63)}.`.repeat(3)}${"a".repeat(61)} 1/1`,
    ],
    [
      "name of 256 octets",
      `${HEAD} ${`3f ${"61".repeat(63)}`.repeat(3)} 3e ${"61".repeat(62)} 00 0001 0001`,
      "FORMERR",
    ],
    ["pointer to itself", `${HEAD} c00c 0001 0001`, "FORMERR"],
    ["pointer into the header", `${HEAD} 01 61 c000 0001 0001`, "FORMERR"],
    ["reserved label type 10", `${HEAD} 80 00 0001 0001`, "FORMERR"],
    ["opcode STATUS", `1234 1100 0001 0000 0000 0000 ${PEER}`, "NOTIMP"],
    ["opcode NOTIFY", `1234 2100 0001 0000 0000 0000 ${PEER}`, "NOTIMP"],
    ["opcode UPDATE, nothing else", "1234 2900 0000 0000 0000 0000", "NOTIMP"],
    ["opcode 15", `1234 7900 0001 0000 0000 0000 ${PEER}`, "NOTIMP"],
    [
      "one answer record",
      `1234 0100 0001 0001 0000 0000 ${PEER} c00c 0001 0001 00000005 0004 01020304`,
      "serve peer 1/1",
    ],
    ["an answer and OPT", `1234 0100 0001 0001 0000 0001 ${PEER}${A}${OPT}`, "serve peer 1/1 edns=1232"],
    ["answer, authority and OPT", `1234 0100 0001 0001 0001 0001 ${PEER}${A}${A}${OPT}`, "serve peer 1/1 edns=1232"],
    ["an authority record that is not there", `1234 0100 0001 0001 0001 0000 ${PEER}${A}`, "FORMERR peer"],
    [
      "an answer cut off",
      `1234 0100 0001 0001 0000 0000 ${PEER} c00c 0001 0001 00000005 0005 01020304`,
      "FORMERR peer",
    ],
    ["half a record", `1234 0100 0001 0001 0000 0000 ${PEER} c00c 0001 0001 00000005`, "FORMERR peer"],
    ["an answer owned by a reserved label", `1234 0100 0001 0001 0000 0000 ${PEER} 40`, "FORMERR peer"],
    ["an authority record owned by one", `1234 0100 0001 0000 0001 0000 ${PEER} 40`, "FORMERR peer"],
    ["two answer records", `1234 0100 0001 0002 0000 0000 ${PEER}`, "FORMERR"],
    ["an answer that is not there", `1234 0100 0001 0001 0000 0000 ${PEER}`, "FORMERR peer"],
    ["three additional records", `1234 0100 0001 0000 0000 0003 ${PEER}`, "FORMERR"],
    ["OPT", `1234 0100 0001 0000 0000 0001 ${PEER}${OPT}`, "serve peer 1/1 edns=1232"],
    [
      "OPT with DO",
      `1234 0100 0001 0000 0000 0001 ${PEER} 00 0029 1000 00 00 8000 0000`,
      "serve peer 1/1 edns=4096 do",
    ],
    [
      "OPT version 1",
      `1234 0100 0001 0000 0000 0001 ${PEER} 00 0029 1000 00 01 0000 0000`,
      "BADVERS peer 1/1 edns=4096",
    ],
    ["two OPT", `1234 0100 0001 0000 0000 0002 ${PEER}${OPT}${OPT}`, "FORMERR peer edns=1232"],
    ["OPT owned by x", `1234 0100 0001 0000 0000 0001 ${PEER} 0178 00 0029 1000 00 00 0000 0000`, "FORMERR peer"],
    [
      "OPT behind a TSIG",
      `1234 0100 0001 0000 0000 0002 ${PEER} 03 6b6579 00 00fa 00ff 00000000 0000 ${OPT}`,
      "serve peer 1/1 edns=1232",
    ],
    ["OPT length too long", `1234 0100 0001 0000 0000 0001 ${PEER} 00 0029 1000 00 00 0000 0009`, "FORMERR peer"],
    [
      "OPT option too long",
      `1234 0100 0001 0000 0000 0001 ${PEER} 00 0029 1000 00 00 0000 0005 000a 0009 00`,
      "FORMERR peer",
    ],
    [
      "OPT with an empty option",
      `1234 0100 0001 0000 0000 0001 ${PEER} 00 0029 1000 00 00 0000 0004 000a 0000`,
      "serve peer 1/1 edns=4096",
    ],
    [
      "OPT with two",
      `1234 0100 0001 0000 0000 0001 ${PEER} 00 0029 1000 00 00 0000 000a 000a 0002 ffff 000a 0000`,
      "serve peer 1/1 edns=4096",
    ],
    [
      "OPT with cookie",
      `1234 0100 0001 0000 0000 0001 ${PEER} 00 0029 1000 00 00 0000 000c 000a 0008 0102030405060708`,
      "serve peer 1/1 edns=4096",
    ],
    ["binary label", `${HEAD} 03 00ff2e 00 0001 0001`, "serve \\000\\255\\. 1/1"],
  ])("%s", (_, packet, expected) => {
    expect(parse(hex(packet))).toBe(expected);
  });

  test.each([
    ["an opcode we have not", `1234 2100 0001 0000 0000 0001 ${PEER}${OPT}`, "NOTIMP edns=1232"],
    ["DO, too", `1234 2100 0001 0000 0000 0001 ${PEER} 00 0029 04d0 00 00 8000 0000`, "NOTIMP edns=1232 do"],
    ["no question", `1234 2900 0000 0000 0000 0001 ${OPT}`, "NOTIMP edns=1232"],
    ["two questions", `1234 0100 0002 0000 0000 0001 ${PEER} c00c 0001 0001 ${OPT}`, "FORMERR edns=1232"],
    ["two answers", `1234 0100 0001 0002 0000 0001 ${PEER}${A}${A}${OPT}`, "FORMERR edns=1232"],
    ["two authority records", `1234 0100 0001 0000 0002 0001 ${PEER}${A}${A}${OPT}`, "FORMERR edns=1232"],
    ["three additional", `1234 0100 0001 0000 0000 0003 ${PEER}${A}${A}${OPT}`, "FORMERR edns=1232"],
    ["an OPT among the answers is none", `1234 2100 0001 0001 0000 0000 ${PEER}${OPT}`, "NOTIMP"],
    ["nor is one among the authority", `1234 2100 0001 0000 0001 0000 ${PEER}${OPT}`, "NOTIMP"],
    ["a question that is cut off", `1234 2100 0001 0000 0000 0001 04 7065`, "NOTIMP"],
    ["a question without a class", `1234 2100 0001 0000 0000 0001 04 70656572 00 0001`, "NOTIMP"],
    [
      "a question with a reserved label",
      `1234 2100 0001 0000 0000 0001 40 ${"61".repeat(64)} 00 0001 0001 ${OPT}`,
      "NOTIMP",
    ],
    [
      "a question with a label of 63",
      `1234 2100 0001 0000 0000 0001 3f ${"61".repeat(63)} 00 0001 0001 ${OPT}`,
      "NOTIMP edns=1232",
    ],
    ["half a pointer", "1234 2100 0001 0000 0000 0001 c0", "NOTIMP"],
  ])("who sent an OPT gets one, whatever else: %s", (_, packet, expected) => {
    expect(parse(hex(packet))).toBe(expected);
  });

  test("one Query serves for all: nothing stays of the one before", () => {
    const q = new Query();
    const empty = { flags: 0, key: "", type: 0, class: 0, questionEnd: 0, edns: false, udpSize: 0, dnssecOk: false };
    expect({ ...q }).toEqual(empty);
    const [first, second] = [query("web A", { edns: 1232, do: true }), query("peer AAAA")];
    parseQuery(first, first.length, q);
    expect(q).toMatchObject({ edns: true, udpSize: 1232, dnssecOk: true });
    parseQuery(second, second.length, q);
    expect({ ...q }).toEqual({
      ...empty,
      flags: 0x100,
      key: "\x04peer",
      type: 28,
      class: 1,
      questionEnd: second.length,
    });
    parseQuery(first, 11, q);
    expect(q).toMatchObject({ questionEnd: 0, edns: false });
  });

  test("only A-Z are folded: octets above 127 stay apart (RFC 4343)", () => {
    const q = new Query();
    const keys = ["03 c3c141 00", "03 c3e161 00"].map((name) => {
      const packet = hex(`${HEAD}${name} 0001 0001`);
      parseQuery(packet, packet.length, q);
      return q.key;
    });
    expect(keys).toEqual(["\x03\xc3\xc1a", "\x03\xc3\xe1a"]);
  });
});

describe("any bytes", () => {
  const q = new Query();
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 600 }),
    fc
      .tuple(fc.constantFrom(HEAD, "1234 0100 0001 0001 0001 0002"), fc.uint8Array({ maxLength: 300 }))
      .map(([h, b]) => Buffer.concat([hex(h), b])),
  );

  test("never throw, and nothing behind the given length is read", () => {
    fc.assert(
      fc.property(bytes, fc.uint8Array({ maxLength: 40 }), (packet, beyond) => {
        const verdict = parseQuery(packet, packet.length, q);
        const { key, type, edns, udpSize } = q;
        const longer = guarded(Buffer.concat([packet, beyond]), packet.length);
        expect(parseQuery(longer, packet.length, q)).toBe(verdict);
        if (verdict === 0) expect([q.key, q.type, q.edns, q.udpSize]).toEqual([key, type, edns, udpSize]);
        expect(q.questionEnd).toBeLessThanOrEqual(packet.length);
      }),
      { numRuns: 3000 },
    );
  });

  test("one octet changed in a good query never throws", () => {
    const good = query("tasks.web.mynet AAAA", { edns: 1232, options: hex("000a 0008 0102030405060708") });
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (at, value) => {
        const packet = Buffer.from(good);
        packet[at] = value;
        parseQuery(packet, packet.length, q);
      }),
      { numRuns: 3000 },
    );
  });
});
