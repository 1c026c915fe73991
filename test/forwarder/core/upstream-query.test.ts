import { describe, expect, test } from "vitest";
import { addressQuery, hasCapital, queryBelow, writeQuery } from "../../../src/forwarder/core/upstream-query.ts";
import { hex } from "../../support/text.ts";

const OPT = "00 0029 04d0 00 00 0000 0000";
const DO = "00 0029 04d0 00 00 8000 0000";
const request = (packet: string, questionEnd: number, dnssecOk = false) =>
  ({
    packet: hex(packet),
    questionEnd,
    dnssecOk,
    question: "",
    edns: false,
    limit: 512,
    upstreams: [],
    from: "",
    asker: "",
  }) as const;
const text = (packet: Uint8Array): string => Buffer.from(packet).toString("hex");

describe("what goes upstream is written anew", () => {
  const Q = "04 70656572 00 0001 0001"; // peer A IN
  test.each([
    ["a question", `1234 0100 0001 0000 0000 0000 ${Q}`, false, 0, `0000 0100 0001 0000 0000 0001 ${Q} ${OPT}`],
    [
      "RD, AD and CD go, nothing else",
      `1234 7fff 0001 0000 0000 0000 ${Q}`,
      false,
      0,
      `0000 0130 0001 0000 0000 0001 ${Q} ${OPT}`,
    ],
    ["none of them", `1234 0000 0001 0000 0000 0000 ${Q}`, false, 0, `0000 0000 0001 0000 0000 0001 ${Q} ${OPT}`],
    ["DO", `1234 0100 0001 0000 0000 0001 ${Q}`, true, 0, `0000 0100 0001 0000 0000 0001 ${Q} ${DO}`],
    ["counts are ours", `1234 0100 0001 0001 0001 0002 ${Q}`, false, 0, `0000 0100 0001 0000 0000 0001 ${Q} ${OPT}`],
    [
      "each letter by a bit",
      `1234 0100 0001 0000 0000 0000 ${Q}`,
      false,
      0b0101,
      `0000 0100 0001 0000 0000 0001 04 50654572 00 0001 0001 ${OPT}`,
    ],
    [
      "capitals turn as well",
      "1234 0100 0001 0000 0000 0000 04 50454552 00 0001 0001",
      false,
      0b0101,
      `0000 0100 0001 0000 0000 0001 04 70456552 00 0001 0001 ${OPT}`,
    ],
  ])("%s", (_name, packet, dnssecOk, bits, expected) => {
    expect(text(writeQuery(request(packet, 22, dnssecOk), () => bits))).toBe(text(hex(expected)));
  });

  test("letters only, from a to z, and fresh bits after sixteen", () => {
    const name = "1f 6030 617a 7b2d 5b40 415a 62626262626262626262626262 7878787878 2e2e 00 0001 0001";
    let drawn = 0;
    const packet = `1234 0100 0001 0000 0000 0000 ${name}`;
    const end = hex(packet).length;
    const written = writeQuery(request(packet, end), () => (drawn++ === 0 ? 0xffff : 0));
    const upper = "1f 6030 415a 7b2d 5b40 617a 42424242424242424242424262 7878787878 2e2e 00 0001 0001";
    expect(text(written.subarray(12, end))).toBe(text(hex(upper)));
    expect(drawn).toBe(2);
  });

  test("type and class have no case", () => {
    const packet = "1234 0100 0001 0000 0000 0000 00 6161 6161";
    expect(text(writeQuery(request(packet, 17), () => 0xffff).subarray(12, 17))).toBe("0061616161");
  });
});

describe("the query under an id", () => {
  const written = () => hex(`0000 0100 0001 0000 0000 0001 00 0001 0001 ${OPT}`);
  test.each([
    ["as it is, if nobody else sends it", false, false, `abcd 0100 0001 0000 0000 0001 00 0001 0001 ${OPT}`, true],
    ["a copy, if others do", false, true, `abcd 0100 0001 0000 0000 0001 00 0001 0001 ${OPT}`, false],
    ["without OPT record", true, false, "abcd 0100 0001 0000 0000 0000 00 0001 0001", false],
    ["without it, others sending it", true, true, "abcd 0100 0001 0000 0000 0000 00 0001 0001", false],
  ])("%s", (_name, plain, shared, expected, itself) => {
    const query = written();
    const sent = addressQuery(query, 0xabcd, plain, shared);
    expect(text(sent)).toBe(text(hex(expected)));
    expect(sent === query).toBe(itself);
    if (!itself) expect(text(query)).toBe(text(written()));
  });
});

describe("a name below the one in question", () => {
  const L63 = `3f${"61".repeat(63)}`;
  const head = "0000 0100 0001 0000 0000 0001";
  test.each([
    ["the root", "00", "03 787878 00"],
    ["a name", "04 70656572 00", "03 787878 04 70656572 00"],
    [
      "251 octets: all of them",
      `${L63.repeat(3)} 39${"62".repeat(57)} 00`,
      `03 787878 ${L63.repeat(3)} 39${"62".repeat(57)} 00`,
    ],
    [
      "252: without the first label",
      `${L63.repeat(3)} 3a${"62".repeat(58)} 00`,
      `03 787878 ${L63.repeat(2)} 3a${"62".repeat(58)} 00`,
    ],
  ])("%s", (_name, name, expected) => {
    const below = queryBelow(hex(`${head} ${name} 0001 0001 ${OPT}`), "xxx");
    expect(text(below)).toBe(text(hex(`${head} ${expected} 0001 0001 ${OPT}`)));
  });
});

test.each([
  ["none", "04 70656572 00 0001 0001", false],
  ["the last letter", "04 70656541 00 0001 0001", true],
  ["Z", "04 5a656572 00 0001 0001", true],
  ["neither @ nor [", "04 405b6572 00 0001 0001", false],
  ["in the type there are none", "04 70656572 00 4141 4141", false],
])("a capital: %s", (_name, question, expected) => {
  expect(hasCapital(hex(`0000 0100 0001 0000 0000 0000 ${question}`), 22)).toBe(expected);
});
