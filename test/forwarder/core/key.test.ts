import { describe, expect, test } from "vitest";
import { isKeepable, isWhole, questionKey } from "../../../src/forwarder/core/key.ts";
import type { ForwardRequest } from "../../../src/forwarder/core/types.ts";
import { type Ask, query } from "../../support/packets.ts";

function request(text: string, ask: Ask = {}): ForwardRequest {
  const packet = query(text, ask);
  const nameEnd = packet.indexOf(0, 12) + 1;
  const questionEnd = nameEnd + 4;
  const question =
    packet.toString("latin1", 12, nameEnd - 1).toLowerCase() + packet.toString("latin1", nameEnd, questionEnd);
  const rest = {
    edns: ask.edns !== undefined,
    dnssecOk: ask.do === true,
    limit: 512,
    upstreams: [],
    from: "",
    asker: "",
  };
  return { packet, questionEnd, question, ...rest };
}

describe("the same question", () => {
  const usual = request("peer A");
  test.each<[string, ForwardRequest, boolean]>([
    ["another id", request("peer A", { id: 7 }), true],
    ["another case", request("PeEr A"), true],
    ["an OPT record", request("peer A", { edns: 1232 }), true],
    ["DO", request("peer A", { edns: 1232, do: true }), false],
    ["no RD", request("peer A", { rd: false }), false],
    ["AD", request("peer A", { ad: true }), false],
    ["CD", request("peer A", { cd: true }), false],
    ["another type", request("peer AAAA"), false],
    ["another class", request("peer A", { cls: "CH" }), false],
    ["another name", request("pear A"), false],
  ])("but for %s: %s", (_name, other, same) => {
    expect(questionKey("g", other) === questionKey("g", usual)).toBe(same);
    expect(questionKey("h", other)).not.toBe(questionKey("g", usual));
  });
});

test.each<[string, ForwardRequest, boolean]>([
  ["A", request("peer A"), true],
  ["ANY", request("peer ANY"), true],
  ["without RD", request("peer A", { rd: false }), false],
  ["type 250", request("peer TYPE250"), true],
  ["IXFR", request("peer IXFR"), false],
  ["AXFR", request("peer AXFR"), false],
  ["MAILB", request("peer TYPE253"), false],
  ["MAILA", request("peer TYPE254"), false],
  ["a type that ends like AXFR", request("peer TYPE508"), true], // 0x01fc
])("the answer may be kept: %s: %s", (_name, asked, expected) => expect(isKeepable(asked)).toBe(expected));

test.each([
  ["the root", 17, 17, true],
  ["no room for a question", 16, 17, false],
  ["its question ends outside", 22, 21, false],
  ["as long as a message may be", 22, 65_535, true],
  ["longer", 22, 65_536, false],
])("may be looked into: %s", (_name, questionEnd, length, expected) => {
  expect(isWhole({ ...request("peer A"), questionEnd, packet: new Uint8Array(length) })).toBe(expected);
});
