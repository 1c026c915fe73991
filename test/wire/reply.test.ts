import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ageTtls,
  capTtls,
  headerRcode,
  isBare,
  isReply,
  isTruncated,
  ReplySurvey,
  replyId,
  sameQuestion,
  sameSpelling,
  skipName,
  surveyReply,
} from "../../src/wire/reply.ts";
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
  if (!surveyReply(guarded(packet), 22, s)) return "broken";
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

describe("what else a survey says", () => {
  const a = (ttl: string, owner = "c00c") => `${owner} 0001 0001 ${ttl} 0004 01020304`;
  const like = (type: string) => `c00c ${type} 0001 00000064 0016 00 00 00000001 00000002 00000003 00000004 00000032`;
  test.each<[string, string, string, Partial<ReplySurvey>]>([
    ["the smallest TTL first", "0003 0000 0000", a("0000001e") + a("0000003c") + a("0000005a"), { minTtl: 30 }],
    ["in between", "0003 0000 0000", a("0000003c") + a("0000001e") + a("0000005a"), { minTtl: 30 }],
    ["last", "0003 0000 0000", a("0000005a") + a("0000003c") + a("0000001e"), { minTtl: 30 }],
    ["zero is one", "0002 0000 0000", a("00000000") + a("0000003c"), { minTtl: 0 }],
    ["of any section", "0001 0001 0001", a("0000003c") + a("0000001e") + a("0000000a"), { minTtl: 10 }],
    ["all octets of it", "0001 0000 0000", a("7f020304"), { minTtl: 0x7f020304 }],
    [
      "records before OPT",
      "0000 0001 0003",
      a("00000001") + a("00000001") + a("00000001") + OPT,
      { beforeOpt: 2, optAt: 70 },
    ],
    ["and none", "0001 0000 0001", a("00000001") + OPT, { beforeOpt: 0, optAt: 38 }],
    ["owners as pointers", "0001 0000 0000", a("00000001"), { spelledOut: false }],
    ["an owner in letters", "0001 0000 0000", a("00000001", "04 70656572 00"), { spelledOut: true }],
    ["OPT's does not count", "0001 0000 0001", a("00000001") + OPT, { spelledOut: false }],
    ["of another type than asked", "0001 0000 0000", like("0002"), { answered: false }],
    ["the type asked for, but as authority", "0000 0001 0000", a("00000001"), { answered: false }],
    ["NS, as long as a SOA", "0000 0001 0000", like("0002"), { negativeTtl: -1 }],
    ["SOA among the additional", "0000 0000 0001", like("0006"), { negativeTtl: -1 }],
    ["behind one of the authority", "0000 0001 0001", a("00000001") + like("0006"), { negativeTtl: -1 }],
  ])("%s", (_name, counts, records, expected) => {
    const s = new ReplySurvey();
    expect(surveyReply(guarded(hex(`${HEAD} ${counts} ${Q}${records}`)), 22, s)).toBe(true);
    expect(s).toMatchObject(expected);
  });

  test("any type answers ANY", () => {
    const s = new ReplySurvey();
    surveyReply(hex(`${HEAD} 0001 0000 0000 04 70656572 00 00ff 0001 ${A}`), 22, s);
    expect(s.answered).toBe(true);
  });

  test("where TTLs are", () => {
    const s = new ReplySurvey();
    surveyReply(hex(`${HEAD} 0001 0001 0001 ${Q}${A}${SOA}${OPT}`), 22, s);
    expect([...s.ttlAt.subarray(0, s.ttlCount)]).toEqual([28, 44]);
  });

  test("filled again, nothing stays of the one before", () => {
    const s = new ReplySurvey();
    const { ttlAt, ...empty } = { ...s };
    expect(empty).toEqual({
      rcode: 0,
      answered: false,
      minTtl: -1,
      negativeTtl: -1,
      optAt: 0,
      beforeOpt: 0,
      spelledOut: false,
      end: 0,
      ttlCount: 0,
    });
    surveyReply(hex(`1234 8182 0001 0001 0001 0002 ${Q}${a("00000001", "0178 00")}${SOA}${A}${OPT}`), 22, s);
    surveyReply(hex(`${HEAD} 0000 0000 0000 ${Q}`), 22, s);
    expect(s).toMatchObject({ ...empty, end: 22 });
  });

  test("as long as a message may be, and as many records as fit", () => {
    const octets = Buffer.alloc(65_536);
    hex("1234 8180 0001 1744 0000 0000 00 0001 0001").copy(octets); // 5956 records of 11 octets, of type 0
    const s = new ReplySurvey();
    expect([surveyReply(octets.subarray(0, 65_535), 17, s), s.ttlCount, s.end]).toEqual([true, 5956, 17 + 5956 * 11]);
    expect(surveyReply(octets, 17, s)).toBe(false);
    octets.writeUInt16BE(5957, 6);
    expect(surveyReply(octets.subarray(0, 65_535), 17, s)).toBe(false);
  });

  test.each([
    [17, 17, true],
    [16, 17, false],
    [18, 17, false],
  ])("a question that ends at %i of %i: %s", (questionEnd, length, expected) => {
    const octets = hex("1234 8180 0001 0000 0000 0000 00 0001 0001 00").subarray(0, length);
    expect(surveyReply(octets, questionEnd, new ReplySurvey())).toBe(expected);
  });
});

test.each([
  ["1234 8180 0001 0000 0000 0000", "id=1234 reply"],
  ["1234 8180 0001 0000 0000 00", "id=1234"], // eleven octets
  ["1234 0180 0001 0000 0000 0000", "id=1234"],
  ["abcd 8385 0001 0000 0000 0000", "id=abcd reply tc rcode=5"],
  ["1234 81ff 0000 0000 0000 0000", "id=1234 reply bare rcode=15"],
  ["1234 8180 0100 0000 0000 0000", "id=1234 reply"],
])("header %s: %s", (header, expected) => {
  const packet = hex(header);
  const words = [
    `id=${replyId(packet).toString(16)}`,
    ...(isReply(packet) ? ["reply"] : []),
    ...(isTruncated(packet) ? ["tc"] : []),
    ...(isBare(packet) ? ["bare"] : []),
    ...(headerRcode(packet) > 0 ? [`rcode=${headerRcode(packet)}`] : []),
  ];
  expect(words.join(" ")).toBe(expected);
});

describe("the end of a name", () => {
  const AT_12 = "000000000000000000000000";
  test.each([
    ["the root", `${AT_12} 00`, 12, 13],
    ["labels", `${AT_12} 01 61 02 6262 00`, 12, 18],
    ["a pointer backwards", `${AT_12} 01 61 00 01 62 c00c`, 15, 19],
    ["a pointer to a pointer", `${AT_12} 01 61 00 01 62 c00c c00f`, 19, 21],
    ["a pointer to itself", `${AT_12} c00c`, 12, -1],
    ["a pointer forwards", `${AT_12} c00e 00`, 12, -1],
    ["two that point at each other", `${AT_12} c00e c00c`, 14, -1],
    ["backwards, and past where it stands", `${AT_12} 06 61 c00c 000000 00`, 14, -1],
    ["into its own labels", `${AT_12} 01 61 c00c`, 12, -1],
    ["into the header", `${AT_12} c000`, 12, -1],
    ["half a pointer", `${AT_12} c0`, 12, -1],
    ["reserved label type", `${AT_12} 40 00`, 12, -1],
    ["a label of 64", `${AT_12} 40 ${"61".repeat(64)} 00`, 12, -1],
    ["label without end", `${AT_12} 05 61`, 12, -1],
    ["nothing", AT_12, 12, -1],
    ["255 octets", `${AT_12} ${`3f${"61".repeat(63)}`.repeat(3)} 3d${"61".repeat(61)} 00`, 12, 267],
    ["256 octets", `${AT_12} ${`3f${"61".repeat(63)}`.repeat(3)} 3e${"61".repeat(62)} 00`, 12, -1],
    [
      "a chain of 127 pointers",
      `${AT_12} 00 c00c ${Array.from({ length: 127 }, (_, i) => (0xc00d + 2 * i).toString(16)).join("")}`,
      265,
      267,
    ],
    [
      "a chain of 128 pointers",
      `${AT_12} 00 c00c ${Array.from({ length: 127 }, (_, i) => (0xc00d + 2 * i).toString(16)).join("")}`,
      267,
      -1,
    ],
  ])("%s", (_name, packet, from, expected) => expect(skipName(guarded(hex(packet)), from)).toBe(expected));
});

test.each([
  ["the same", "peer A", "peer A", true],
  ["another case", "PeEr A", "pEeR A", true],
  ["another name", "pear A", "peer A", false],
  ["another length", "pe.r A", "peer A", false],
  ["another type", "peer AAAA", "peer A", false],
  ["@ is not a lower-case `", "p@er A", "p`er A", false],
  ["nor [ a {", "p[er A", "p{er A", false],
  ["A to Z", "azAZ A", "AZaz A", true],
  ["a type as if in another case", "peer TYPE16705", "peer TYPE24897", false], // 0x4141, 0x6141
])("question: %s", (_name, reply, asked, expected) => {
  expect(sameQuestion(query(reply), query(asked), 22)).toBe(expected);
});

test("type and class have no case", () => {
  const [upper, lower] = [query("peer TYPE65"), query("peer TYPE97")];
  expect(sameQuestion(upper, lower, 22)).toBe(false);
});

describe("the question of a query", () => {
  const asked = `1234 0100 0001 0000 0000 0000 ${Q}`;
  test.each<[string, string, string, number, string]>([
    ["its own", `${HEAD} 0000 0000 0000 ${Q}`, asked, 22, "spelling question"],
    ["in another case", `${HEAD} 0000 0000 0000 04 50656572 00 0001 0001`, asked, 22, "question"],
    ["another class", `${HEAD} 0000 0000 0000 04 70656572 00 0001 0003`, asked, 22, ""],
    ["none", `1234 8180 0000 0000 0000 0000 ${Q}`, asked, 22, ""],
    ["two", `1234 8180 0002 0000 0000 0000 ${Q}`, asked, 22, ""],
    ["257", `1234 8180 0101 0000 0000 0000 ${Q}`, asked, 22, ""],
    ["cut off", `${HEAD} 0000 0000 0000 04 70656572 00 0001 00`, asked, 22, ""],
    [
      "cut off in the query",
      `${HEAD} 0000 0000 0000 ${Q}`,
      "1234 0100 0001 0000 0000 0000 04 70656572 00 0001 00",
      22,
      "",
    ],
    ["followed by more", `${HEAD} 0001 0000 0000 ${Q}${A}`, asked, 22, "spelling question"],
    [
      "the root",
      `${HEAD} 0000 0000 0000 00 0001 0001`,
      "1234 0100 0001 0000 0000 0000 00 0001 0001",
      17,
      "spelling question",
    ],
    [
      "less than a question",
      `${HEAD} 0000 0000 0000 00 0001 00`,
      "1234 0100 0001 0000 0000 0000 00 0001 00",
      16,
      "spelling",
    ],
  ])("repeated: %s", (_name, reply, query, end, expected) => {
    const [r, q] = [guarded(hex(reply)), guarded(hex(query))];
    const words = [...(sameSpelling(r, q, end) ? ["spelling"] : []), ...(sameQuestion(r, q, end) ? ["question"] : [])];
    expect(words.join(" ")).toBe(expected);
  });
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
  capTtls(packet, Uint16Array.of(28), 86401);
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
