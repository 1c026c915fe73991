import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ageTtls, capTtls, isReply, ReplySurvey, sameQuestion, skipName, surveyReply } from "../../src/wire/reply.ts";
import { guarded } from "../support/guarded.ts";
import { query } from "../support/packets.ts";
import { hex } from "../support/text.ts";

const HEAD = "1234 8180 0001";
const Q = "04 70656572 00 0001 0001"; // peer A IN
const A = "c00c 0001 0001 0000003c 0004 01020304";
const SOA = "c00c 0006 0001 00000064 0016 00 00 00000001 00000002 00000003 00000004 00000032";
const OPT = "00 0029 04d0 00 00 0000 0000";

function survey(packet: Buffer): string {
  const s = new ReplySurvey();
  if (!surveyReply(packet, 22, s)) return "broken";
  return `rcode=${s.rcode} answered=${s.answered} ttl=${s.minTtl} negative=${s.negativeTtl} opt=${s.optAt} ttls=${s.ttlCount} end=${s.end}`;
}

describe("a reply's survey", () => {
  test.each([
    [
      "nothing but the question",
      `${HEAD} 0000 0000 0000 ${Q}`,
      "rcode=0 answered=false ttl=-1 negative=-1 opt=0 ttls=0 end=22",
    ],
    ["one answer", `${HEAD} 0001 0000 0000 ${Q}${A}`, "rcode=0 answered=true ttl=60 negative=-1 opt=0 ttls=1 end=38"],
    [
      "answer and OPT",
      `${HEAD} 0001 0000 0001 ${Q}${A}${OPT}`,
      "rcode=0 answered=true ttl=60 negative=-1 opt=38 ttls=1 end=49",
    ],
    [
      "SOA: the smaller number",
      `${HEAD} 0000 0001 0000 ${Q}${SOA}`,
      "rcode=0 answered=false ttl=100 negative=50 opt=0 ttls=1 end=56",
    ],
    [
      "SOA among the answers says nothing",
      `${HEAD} 0001 0000 0000 ${Q}${SOA}`,
      "rcode=0 answered=false ttl=100 negative=-1 opt=0 ttls=1 end=56",
    ],
    [
      "a SOA too short to have a minimum",
      `${HEAD} 0000 0001 0000 ${Q} c00c 0006 0001 00000064 0002 0000`,
      "rcode=0 answered=false ttl=100 negative=-1 opt=0 ttls=1 end=36",
    ],
    [
      "extended rcode",
      `${HEAD} 0000 0000 0001 ${Q} 00 0029 04d0 01 00 0000 0000`,
      "rcode=16 answered=false ttl=-1 negative=-1 opt=22 ttls=0 end=33",
    ],
    [
      "TTL with the top bit",
      `${HEAD} 0001 0000 0000 ${Q} c00c 0001 0001 80000000 0004 01020304`,
      "rcode=0 answered=true ttl=0 negative=-1 opt=0 ttls=1 end=38",
    ],
    [
      "octets behind the last record",
      `${HEAD} 0001 0000 0000 ${Q}${A} ffff`,
      "rcode=0 answered=true ttl=60 negative=-1 opt=0 ttls=1 end=38",
    ],
    ["two OPT", `${HEAD} 0000 0000 0002 ${Q}${OPT}${OPT}`, "broken"],
    ["OPT as an answer", `${HEAD} 0001 0000 0000 ${Q}${OPT}`, "broken"],
    ["OPT with a name", `${HEAD} 0000 0000 0001 ${Q} c00c 0029 04d0 00 00 0000 0000`, "broken"],
    ["a record that is not there", `${HEAD} 0002 0000 0000 ${Q}${A}`, "broken"],
    ["rdata beyond the end", `${HEAD} 0001 0000 0000 ${Q} c00c 0001 0001 0000003c 0005 01020304`, "broken"],
    ["more records than fit", `${HEAD} ffff ffff ffff ${Q}${A}`, "broken"],
    ["no room for the question", `${HEAD} 0000 0000 0000 04 7065`, "broken"],
  ])("%s", (_name, packet, expected) => expect(survey(hex(packet))).toBe(expected));
});

describe("the end of a name", () => {
  const AT_12 = "000000000000000000000000";
  test.each([
    ["the root", `${AT_12} 00`, 12, 13],
    ["labels", `${AT_12} 01 61 02 6262 00`, 12, 18],
    ["a pointer backwards", `${AT_12} 01 61 00 01 62 c00c`, 15, 19],
    ["a pointer to itself", `${AT_12} c00c`, 12, -1],
    ["a pointer forwards", `${AT_12} c00e 00`, 12, -1],
    ["two that point at each other", `${AT_12} c00e c00c`, 14, -1],
    ["backwards, and past where it stands", `${AT_12} 06 61 c00c 000000 00`, 14, -1],
    ["into its own labels", `${AT_12} 01 61 c00c`, 12, -1],
    ["into the header", `${AT_12} c000`, 12, -1],
    ["half a pointer", `${AT_12} c0`, 12, -1],
    ["reserved label type", `${AT_12} 40 00`, 12, -1],
    ["label without end", `${AT_12} 05 61`, 12, -1],
    ["nothing", AT_12, 12, -1],
    ["255 octets", `${AT_12} ${`3f${"61".repeat(63)}`.repeat(3)} 3d${"61".repeat(61)} 00`, 12, 267],
    ["256 octets", `${AT_12} ${`3f${"61".repeat(63)}`.repeat(3)} 3e${"61".repeat(62)} 00`, 12, -1],
    [
      "a chain of 128 pointers",
      `${AT_12} 00 c00c ${Array.from({ length: 127 }, (_, i) => (0xc00d + 2 * i).toString(16)).join("")}`,
      267,
      -1,
    ],
  ])("%s", (_name, packet, from, expected) => expect(skipName(hex(packet), from)).toBe(expected));
});

test.each([
  ["the same", "peer A", "peer A", true],
  ["another case", "PeEr A", "pEeR A", true],
  ["another name", "pear A", "peer A", false],
  ["another length", "pe.r A", "peer A", false],
  ["another type", "peer AAAA", "peer A", false],
  ["@ is not a lower-case `", "p@er A", "p`er A", false],
])("question: %s", (_name, reply, asked, expected) => {
  expect(sameQuestion(query(reply), query(asked), 22)).toBe(expected);
});

test("type and class have no case", () => {
  const [upper, lower] = [query("peer TYPE65"), query("peer TYPE97")];
  expect(sameQuestion(upper, lower, 22)).toBe(false);
});

test("TTLs are aged and capped", () => {
  const packet = hex(`${HEAD} 0001 0000 0000 ${Q}${A}`);
  ageTtls(packet, Uint16Array.of(28), 21);
  expect(packet.toString("hex", 28, 32)).toBe("00000027");
  ageTtls(packet, Uint16Array.of(28), 100);
  expect(packet.toString("hex", 28, 32)).toBe("00000000");
  packet.writeUInt32BE(0x7fffffff, 28);
  capTtls(packet, Uint16Array.of(28), 86400);
  expect(packet.toString("hex", 28, 32)).toBe("00015180");
});

describe("whatever comes", () => {
  // Random octets seldom get past the header, so most are made of pieces that look like something.
  const piece = fc.constantFrom("c00c", "00", "0161", "0001", "0029", "0006", "00000000", "ffff", "c0ff", A, SOA, OPT);
  const likely = fc
    .tuple(
      fc.array(fc.constantFrom("0000", "0001", "0002", "ffff"), { minLength: 3, maxLength: 3 }),
      fc.array(piece, { maxLength: 12 }),
    )
    .map(([counts, pieces]) => hex(`${HEAD}${counts.join("")}${Q}${pieces.join("")}`) as Uint8Array);
  const packets = fc.oneof(likely, fc.uint8Array({ maxLength: 300 }));

  test("nothing throws, nothing is read outside, what is said to be inside is inside", () => {
    const into = new ReplySurvey();
    fc.assert(
      fc.property(packets, fc.nat(310), fc.nat(310), (bytes, from, end) => {
        const packet = guarded(bytes);
        isReply(packet);
        sameQuestion(packet, guarded(hex(`${HEAD} 0000 0000 0000 ${Q}`)), end);
        const behind = skipName(packet, from);
        expect(behind === -1 || (behind > from && behind <= bytes.length)).toBe(true);
        for (const questionEnd of [22, end]) {
          if (!surveyReply(packet, questionEnd, into)) continue;
          expect(into.end).toBeLessThanOrEqual(bytes.length);
          for (const at of into.ttlAt.subarray(0, into.ttlCount)) expect(at + 4).toBeLessThanOrEqual(into.end);
        }
      }),
      { numRuns: 3000 },
    );
  });
});
