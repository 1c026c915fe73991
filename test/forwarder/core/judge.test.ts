/** What a packet is to the question whose id it has (RFC 5452 section 9.1): the question, then what it says. */
import { describe, expect, test } from "vitest";
import type { Try } from "../../../src/forwarder/core/flight.ts";
import { judge } from "../../../src/forwarder/core/judge.ts";
import { Server } from "../../../src/forwarder/core/upstream-health.ts";
import { ReplySurvey } from "../../../src/wire/reply.ts";
import { hex } from "../../support/text.ts";

const Q = "04 50656572 00 0001 0001"; // Peer A IN: ends at 22
const LOWER = "04 70656572 00 0001 0001";
const A = "c00c 0001 0001 0000003c 0004 01020304";
const opt = (rcode = 0) => `00 0029 04d0 ${rcode.toString(16).padStart(2, "0")} 00 0000 0000`;

function world(question = Q) {
  const server = new Server("192.0.2.1", 53);
  const query = hex(`1234 0100 0001 0000 0000 0001 ${question} ${opt()}`);
  const attempt = { query, questionEnd: 22, server } as unknown as Try;
  const told = (packet: string, kind: "udp" | "tcp" = "udp") => judge(hex(packet), attempt, kind, new ReplySurvey());
  return { told, abilities: server.abilities };
}

describe("the right question", () => {
  test.each([
    ["an answer", `8180 0001 0001 0000 0000 ${Q}${A}`, "answer"],
    ["none there", `8183 0001 0000 0000 0000 ${Q}`, "answer"],
    ["FORMERR", `8181 0001 0000 0000 0000 ${Q}`, "rejected"],
    ["SERVFAIL", `8182 0001 0000 0000 0000 ${Q}`, "rejected"],
    ["NOTIMP", `8184 0001 0000 0000 0000 ${Q}`, "rejected"],
    ["REFUSED", `8185 0001 0000 0000 0000 ${Q}`, "rejected"],
    ["YXDOMAIN is for who asked", `8186 0001 0000 0000 0000 ${Q}`, "answer"],
    ["so is whatever may be 15", `818f 0001 0000 0000 0000 ${Q}`, "answer"],
    ["BADVERS is for us", `8180 0001 0000 0000 0001 ${Q}${opt(1)}`, "rejected"],
    ["BADCOOKIE, too", `8187 0001 0000 0000 0001 ${Q}${opt(1)}`, "rejected"],
    ["half a record", `8180 0001 0001 0000 0000 ${Q}${A.slice(0, -2)}`, "broken"],
  ])("%s: %s", (_name, packet, expected) => {
    expect([world().told(`1234 ${packet}`), world().told(`1234 ${packet}`, "tcp")]).toEqual([expected, expected]);
  });

  test.each([
    ["truncated", `8380 0001 0001 0000 0000 ${Q}${A}`],
    ["truncated in mid-record", `8380 0001 0001 0000 0000 ${Q}${A.slice(0, -2)}`],
    ["truncated, and an error", `8382 0001 0000 0000 0000 ${Q}`],
  ])("%s: over UDP only", (_name, packet) => {
    expect(world().told(`1234 ${packet}`)).toBe("truncated");
    expect(world().told(`1234 ${packet}`, "tcp")).not.toBe("truncated");
  });
});

describe("another question", () => {
  test.each([
    ["another name", `8180 0001 0000 0000 0000 04 50656573 00 0001 0001`, "stray"],
    ["another type", `8180 0001 0000 0000 0000 04 50656572 00 001c 0001`, "stray"],
    ["an error about none", "8182 0000 0000 0000 0000", "bare"],
    ["REFUSED about none", "8185 0000 0000 0000 0000", "bare"],
    ["no error, about none", "8180 0000 0000 0000 0000", "stray"],
    ["no such name, and no name", "8183 0000 0000 0000 0000", "stray"],
    ["two of them, none of which is read", `8182 0002 0000 0000 0000 ${Q}${Q}`, "stray"],
    ["256 of them are not none", `8182 0100 0000 0000 0000 ${Q}`, "stray"],
  ])("%s: %s", (_name, packet, expected) => expect(world().told(`1234 ${packet}`)).toBe(expected));
});

describe("the question in another case", () => {
  const folded = `1234 8180 0001 0001 0000 0000 ${LOWER}${A}`;
  const kept = `1234 8180 0001 0001 0000 0000 ${Q}${A}`;
  test("is doubted over UDP, and believed over TCP and from then on", () => {
    const { told } = world();
    expect([told(folded), told(folded, "tcp"), told(folded)]).toEqual(["respelled", "answer", "answer"]);
  });

  test("is never believed over UDP from who has kept a capital", () => {
    const { told, abilities } = world();
    expect([told(kept), abilities.keepsCase]).toEqual(["answer", true]);
    expect([1, 2, 3, 4].map(() => told(folded))).toEqual(Array(4).fill("respelled"));
  });

  test("who folds names and keeps one all the same, is held to that", () => {
    const { told } = world();
    expect([told(folded, "tcp"), told(kept), told(folded)]).toEqual(["answer", "answer", "respelled"]);
  });

  test("no capital, no proof", () => {
    const { told, abilities } = world(LOWER);
    expect([told(folded), abilities.keepsCase]).toEqual(["answer", false]);
  });
});

test.each([
  ["an answer with OPT record", `8180 0001 0001 0000 0001 ${Q}${A}${opt()}`, true],
  ["a truncated one", `8380 0001 0000 0000 0001 ${Q}${opt()}`, true],
  ["one without", `8180 0001 0001 0000 0000 ${Q}${A}`, false],
  ["one that can't be read", `8180 0001 0002 0000 0001 ${Q}${A}${opt()}`, false],
  ["a forged one", `8180 0001 0001 0000 0001 ${LOWER}${A}${opt()}`, false],
])("who sends it knows EDNS: %s: %s", (_name, packet, expected) => {
  const { told, abilities } = world();
  told(`1234 ${packet}`);
  expect(abilities.knowsEdns).toBe(expected);
});
