import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addressBytes } from "../../src/model/address.ts";
import { nameKey } from "../../src/model/name.ts";
import { DOCKER_STYLE, OWN_STYLE, type Style, writeAnswer, writeError, writeNegative } from "../../src/wire/answer.ts";
import { parseQuery, Query } from "../../src/wire/query.ts";
import { hinfoRdata, nameRdata, type RRSet, rdataOf, rrset, srvRdata, txtRdata } from "../../src/wire/rrset.ts";
import { type Ask, query, type Told, told } from "../support/packets.ts";
import { hex } from "../support/text.ts";

const SOA = { minimum: 5, serial: 7 };
const a = (...addresses: string[]): RRSet =>
  rrset(
    1,
    600,
    addresses.map((x) => addressBytes(x)!),
  );
const addresses = (n: number): string[] => Array.from({ length: n }, (_, i) => `10.0.${i >> 8}.${i & 255}`);

type Write = (q: Query, out: Buffer) => number;

function answerTo(question: string, ask: Ask, write: Write): Told & { size: number } {
  const packet = query(question, ask);
  const q = new Query();
  parseQuery(packet, packet.length, q);
  const out = Buffer.alloc(65_535, 0xee); // never rely on what the buffer held
  packet.copy(out, 0, 0, q.questionEnd);
  const size = write(q, out);
  return { ...told(out.subarray(0, size)), size };
}

const positive =
  (set: RRSet, limit = 512, style: Style = OWN_STYLE): Write =>
  (q, out) =>
    writeAnswer(q, out, limit, style, set);

describe("what dns2 reads in our answers", () => {
  test.each<[string, string, Ask, Write, Partial<Told>]>([
    [
      "one address",
      "web A",
      {},
      positive(a("10.0.1.2")),
      { rcode: "NOERROR", flags: "qr aa rd ra", question: "web A", answers: ["web 600 A 10.0.1.2"], edns: undefined },
    ],
    [
      "case is given back",
      "WeB A",
      {},
      positive(a("10.0.1.2")),
      { question: "WeB A", answers: ["WeB 600 A 10.0.1.2"] },
    ],
    [
      "RD and CD are copied, AD is not",
      "web A",
      { rd: false, cd: true, ad: true },
      positive(a("10.0.1.2")),
      { flags: "qr aa ra cd" },
    ],
    ["IPv6", "web AAAA", {}, positive(rrset(28, 5, [addressBytes("fd00::2")!])), { answers: ["web 5 AAAA fd00::2"] }],
    [
      "PTR",
      "2.1.0.10.in-addr.arpa PTR",
      {},
      positive(rrset(12, 5, [nameRdata(nameKey("web.mynet"))])),
      { answers: ["2.1.0.10.in-addr.arpa 5 PTR web.mynet"] },
    ],
    ["TXT", "web TXT", {}, positive(rrset(16, 5, [txtRdata(["mode=vip"])])), { answers: ["web 5 TXT mode=vip"] }],
    [
      "TXT of several lengths",
      "web TXT",
      {},
      positive(rrset(16, 5, [txtRdata(["a"]), txtRdata(["bcd"]), txtRdata(["efghij"]), txtRdata(["k"])])),
      { answers: ["web 5 TXT a", "web 5 TXT bcd", "web 5 TXT efghij", "web 5 TXT k"] },
    ],
    [
      "SRV",
      "_http._tcp.web SRV",
      {},
      positive(rrset(33, 5, [srvRdata(0, 0, 80, nameKey("web.mynet"))])),
      { answers: ["_http._tcp.web 5 SRV 0 0 80 web.mynet"] },
    ],
    ["HINFO", "web ANY", {}, positive(rrset(13, 5, [hinfoRdata("RFC8482", "")])), { answers: ["web 5 HINFO RFC8482"] }],
    [
      "OPT if asked",
      "web A",
      { edns: 4096 },
      positive(a("10.0.1.2")),
      { edns: "version=0 size=1232", answers: ["web 600 A 10.0.1.2"] },
    ],
    ["DO comes back", "web A", { edns: 4096, do: true }, positive(a("10.0.1.2")), { edns: "version=0 size=1232 do" }],
    [
      "as Docker: no AA, no OPT",
      "web A",
      { edns: 4096 },
      positive(a("10.0.1.2"), 512, DOCKER_STYLE),
      { flags: "qr rd ra", edns: undefined },
    ],
    [
      "NODATA of a zone's own name",
      "web MX",
      {},
      (q, out) => writeNegative(q, out, OWN_STYLE, 0, SOA, 0),
      { rcode: "NOERROR", flags: "qr aa rd ra", answers: [], authority: ["web 5 SOA eleven.invalid nobody.invalid 5"] },
    ],
    [
      "NXDOMAIN's SOA is the zone's",
      "9.web.mynet A",
      {},
      (q, out) => writeNegative(q, out, OWN_STYLE, 3, SOA, 2),
      { rcode: "NXDOMAIN", flags: "qr aa rd ra", authority: ["web.mynet 5 SOA eleven.invalid nobody.invalid 5"] },
    ],
    [
      "an apex behind octet 255",
      `${"x".repeat(63)}.${"y".repeat(63)}.${"y".repeat(63)}.${"y".repeat(54)}.web A`,
      {},
      (q, out) => writeNegative(q, out, OWN_STYLE, 3, SOA, 247),
      { rcode: "NXDOMAIN", authority: ["web 5 SOA eleven.invalid nobody.invalid 5"] },
    ],
    [
      "the root is nobody's: no AA",
      "web MX",
      {},
      (q, out) => writeNegative(q, out, OWN_STYLE, 0, SOA, 4),
      { flags: "qr rd ra", authority: [". 5 SOA eleven.invalid nobody.invalid 5"] },
    ],
    [
      "nor is the root asked for itself",
      " SOA",
      {},
      (q, out) => writeNegative(q, out, OWN_STYLE, 0, SOA, 0),
      { flags: "qr rd ra", answers: [], authority: [". 5 SOA eleven.invalid nobody.invalid 5"] },
    ],
    [
      "an apex asked for its SOA has one",
      "web SOA",
      {},
      (q, out) => writeNegative(q, out, OWN_STYLE, 0, SOA, 0),
      { flags: "qr aa rd ra", answers: ["web 5 SOA eleven.invalid nobody.invalid 5"], authority: [] },
    ],
    [
      "a name below the apex has none",
      "tasks.web SOA",
      {},
      (q, out) => writeNegative(q, out, OWN_STYLE, 0, SOA, 6),
      { answers: [], authority: ["web 5 SOA eleven.invalid nobody.invalid 5"] },
    ],
    [
      "as Docker: no SOA",
      "web MX",
      {},
      (q, out) => writeNegative(q, out, DOCKER_STYLE, 0, SOA, 0),
      { authority: [], flags: "qr rd ra" },
    ],
    [
      "error with EDE",
      "web A",
      { edns: 512 },
      (q, out) => writeError(q, out, OWN_STYLE, 2, { code: 22, text: "none" }),
      { rcode: "SERVFAIL", flags: "qr rd ra", edns: "version=0 size=1232 ede=22" },
    ],
    [
      "error without OPT",
      "web A",
      {},
      (q, out) => writeError(q, out, OWN_STYLE, 2, { code: 22, text: "none" }),
      { rcode: "SERVFAIL", edns: undefined },
    ],
    [
      "BADVERS",
      "web A",
      { edns: 512, version: 1 },
      (q, out) => writeError(q, out, OWN_STYLE, 16),
      { rcode: "BADVERS", edns: "version=0 size=1232" },
    ],
  ])("%s", (_, question, ask, write, expected) => {
    expect(answerTo(question, ask, write)).toMatchObject(expected);
  });

  test("SRV brings the addresses of its targets", () => {
    const set = rrset(33, 5, [srvRdata(0, 0, 80, nameKey("a.n")), srvRdata(0, 0, 80, nameKey("b.n"))]);
    const extra = [
      { owner: nameKey("a.n"), set: a("10.0.0.1", "10.0.0.2") },
      { owner: nameKey("b.n"), set: a("10.0.0.3") },
    ];
    const answer = answerTo("_http._tcp.web SRV", {}, (q, out) => writeAnswer(q, out, 512, OWN_STYLE, set, extra));
    expect(answer.additional).toEqual(["a.n 600 A 10.0.0.1", "a.n 600 A 10.0.0.2", "b.n 600 A 10.0.0.3"]);
  });

  test("an additional set that does not fit whole is left out, without TC", () => {
    const set = rrset(33, 5, [srvRdata(0, 0, 80, nameKey("a.n"))]);
    const extra = [{ owner: nameKey("a.n"), set: a(...addresses(40)) }];
    const answer = answerTo("_http._tcp.web SRV", {}, (q, out) => writeAnswer(q, out, 512, OWN_STYLE, set, extra));
    expect(answer).toMatchObject({ additional: [], flags: "qr aa rd ra" });
  });
});

describe("to the octet, answered in the memory the query is in", () => {
  const WEB = "03776562 00 0001 0001"; // web A IN
  const NAMES = "06656c6576656e 07696e76616c6964 00 066e6f626f6479 07696e76616c6964 00"; // eleven.invalid nobody.invalid
  const TIMERS = "00000e10 000004b0 00093a80";
  const NUMBERS = { minimum: 0x71727374, serial: 0x81828384 };
  const soa = (owner: string) => `${owner} 0006 0001 71727374 0034 ${NAMES} 81828384 ${TIMERS} 71727374`;
  const OLD = rrset(1, 0x71727374, ["\x0a\0\0\x01"]);
  test.each<[string, string, Write, string]>([
    [
      "an error without a question, whatever was counted: opcode, RD and CD come back",
      "1234 2d10 ffff ffff ffff ffff",
      (q, out) => writeError(q, out, OWN_STYLE, 4),
      "1234 a994 0000 0000 0000 0000",
    ],
    [
      "as Docker: errors without RA",
      "1234 2910 ffff ffff ffff ffff",
      (q, out) => writeError(q, out, DOCKER_STYLE, 4),
      "1234 a914 0000 0000 0000 0000",
    ],
    [
      "of an extended rcode the lower half is in the header",
      `1234 0100 0001 0000 0000 0001 ${WEB} 00 0029 1000 00 01 8000 0000`,
      (q, out) => writeError(q, out, DOCKER_STYLE, 16),
      `1234 8100 0001 0000 0000 0001 ${WEB} 00 0029 04d0 01 00 8000 0000`,
    ],
    [
      "a record",
      `1234 0000 0001 0000 0000 0000 ${WEB}`,
      (q, out) => writeAnswer(q, out, 512, OWN_STYLE, OLD),
      `1234 8480 0001 0001 0000 0000 ${WEB} c00c 0001 0001 71727374 0004 0a000001`,
    ],
    [
      "a record in CHAOS",
      "1234 0000 0001 0000 0000 0000 03776562 00 0001 0003",
      (q, out) => writeAnswer(q, out, 512, OWN_STYLE, OLD),
      "1234 8480 0001 0001 0000 0000 03776562 00 0001 0003 c00c 0001 0003 71727374 0004 0a000001",
    ],
    [
      "a record for any class is one of IN",
      "1234 0000 0001 0000 0000 0000 03776562 00 0001 00ff",
      (q, out) => writeAnswer(q, out, 512, OWN_STYLE, OLD),
      "1234 8480 0001 0001 0000 0000 03776562 00 0001 00ff c00c 0001 0001 71727374 0004 0a000001",
    ],
    [
      "no record of one",
      `1234 0000 0001 0000 0000 0000 ${WEB}`,
      (q, out) => writeAnswer(q, out, 36, OWN_STYLE, OLD),
      `1234 8680 0001 0000 0000 0000 ${WEB}`,
    ],
    [
      "a type above 255, rdata above 255 octets",
      `1234 0000 0001 0000 0000 0000 ${WEB}`,
      (q, out) => writeAnswer(q, out, 512, OWN_STYLE, rrset(0x0101, 5, ["r".repeat(0x102)])),
      `1234 8480 0001 0001 0000 0000 ${WEB} c00c 0101 0001 00000005 0102 ${"72".repeat(0x102)}`,
    ],
    [
      "a SOA, named where the zone begins",
      `1234 0000 0001 0000 0000 0000 0178 ${WEB}`,
      (q, out) => writeNegative(q, out, OWN_STYLE, 3, NUMBERS, 2),
      `1234 8483 0001 0000 0001 0000 0178 ${WEB} ${soa("c00e")}`,
    ],
    [
      "the root's",
      `1234 0000 0001 0000 0000 0000 ${WEB}`,
      (q, out) => writeNegative(q, out, OWN_STYLE, 0, NUMBERS, 4),
      `1234 8080 0001 0000 0001 0000 ${WEB} ${soa("00")}`,
    ],
    [
      "an apex asked for its SOA",
      "1234 0000 0001 0000 0000 0000 03776562 00 0006 0001",
      (q, out) => writeNegative(q, out, OWN_STYLE, 0, NUMBERS, 0),
      `1234 8480 0001 0001 0000 0000 03776562 00 0006 0001 ${soa("c00c")}`,
    ],
    [
      "an additional record, whose owner is written once",
      `1234 0000 0001 0000 0000 0000 ${WEB}`,
      (q, out) => {
        const extra = [{ owner: "\x01a", set: rrset(1, 5, ["\x0a\0\0\x01", "\x0a\0\0\x02"]) }];
        return writeAnswer(q, out, 512, OWN_STYLE, OLD, extra);
      },
      `1234 8480 0001 0001 0000 0002 ${WEB} c00c 0001 0001 71727374 0004 0a000001
       0161 00 0001 0001 00000005 0004 0a000001 c025 0001 0001 00000005 0004 0a000002`,
    ],
  ])("%s", (_, packet, write, expected) => {
    const asked = hex(packet);
    const q = new Query();
    parseQuery(asked, asked.length, q);
    const out = Buffer.alloc(2048, 0xee);
    asked.copy(out);
    expect(out.toString("hex", 0, write(q, out))).toBe(hex(expected).toString("hex"));
  });

  // 21 octets of header and question, 16 of the answer, then 16 and 15 for each name's: 3 of its own, 14 the record.
  test.each([
    [37, 0],
    [53, 0],
    [54, 1],
    [70, 1],
    [71, 2],
    [65_535, 2],
  ])("in %i octets %i additional sets have room, and no half one", (limit, come) => {
    const extra = ["a", "b"].map((name) => ({ owner: nameKey(name), set: a("10.0.0.1") }));
    const answer = answerTo("web A", {}, (q, out) => writeAnswer(q, out, limit, OWN_STYLE, a("10.0.1.2"), extra));
    expect([answer.additional.length, answer.size]).toEqual([come, 37 + 17 * come]);
  });

  test("a set of 300 additional records is counted, one whose name a pointer can't reach is left out", () => {
    const many = [{ owner: nameKey("a"), set: a(...addresses(300)) }];
    const told = answerTo("web A", {}, (q, out) => writeAnswer(q, out, 65_535, OWN_STYLE, a("10.0.1.2"), many));
    expect(told.additional.length).toBe(300);
    const far = (n: number) =>
      answerTo("web A", {}, (q, out) =>
        writeAnswer(q, out, 65_535, OWN_STYLE, a(...addresses(n)), [{ owner: nameKey("a"), set: a("10.0.0.1") }]),
      ).additional.length;
    expect([far(1022), far(1023)]).toEqual([1, 0]); // 21 + 16 * 1022 = 0x3ff5
  });

  test("a pointer reaches up to octet 0x3fff", () => {
    const far = (start: number) => {
      const set = rrset(99, 5, ["x".repeat(start - 21 - 12)]);
      const extra = [{ owner: nameKey("a"), set: a("10.0.0.1") }];
      return answerTo("web TYPE99", {}, (q, out) => writeAnswer(q, out, 65_535, OWN_STYLE, set, extra)).additional
        .length;
    };
    expect([far(0x3fff), far(0x4000)]).toEqual([1, 0]);
  });

  test("nothing is written behind the limit", () => {
    const asked = query("web A");
    const q = new Query();
    parseQuery(asked, asked.length, q);
    const extra = [{ owner: nameKey("a-name-of-some-length"), set: a("10.0.0.1", "10.0.0.2") }];
    for (let limit = asked.length; limit < 130; limit++) {
      const out = Buffer.alloc(256, 0xee);
      asked.copy(out);
      writeAnswer(q, out, limit, OWN_STYLE, a("10.0.1.2", "10.0.1.3"), extra);
      expect(
        out.subarray(limit).every((octet) => octet === 0xee),
        `${limit}`,
      ).toBe(true);
    }
  });

  test("a truncated answer has no additional records", () => {
    const extra = [{ owner: nameKey("a"), set: a("10.0.0.1") }];
    const set = rrset(99, 5, ["x".repeat(20), "x".repeat(200)]);
    const answer = answerTo("web TYPE99", {}, (q, out) => writeAnswer(q, out, 200, OWN_STYLE, set, extra));
    expect(answer).toMatchObject({ additional: [], flags: "qr aa tc rd ra" });
  });
});

describe("extended errors, whatever their text: UTF-8, and never more than a client without EDNS sizes takes", () => {
  const LONGEST = `${"x".repeat(63)}.${"y".repeat(63)}.${"z".repeat(63)}.${"w".repeat(61)}`;
  const errors: [string, (text: string) => Write][] = [
    ["an error", (text) => (q, out) => writeError(q, out, OWN_STYLE, 2, { code: 22, text })],
    ["a negative answer", (text) => (q, out) => writeNegative(q, out, OWN_STYLE, 3, SOA, 64, { code: 15, text })],
  ];
  test.each([
    ["nothing", "", ""],
    ["plain", "no server answers", "no server answers"],
    ["two octets a character", "für Größe", "für Größe"],
    ["three", "上流サーバー", "上流サーバー"],
    ["four", "📦🐳", "📦🐳"],
    ["half a pair", "a\ud83db\udc33", "a\ufffdb\ufffd"],
    ["long", "x".repeat(5_000), "x".repeat(160)],
    ["cut before a character that would not fit", `${"x".repeat(159)}ä`, "x".repeat(159)],
    ["cut before a pair", `${"x".repeat(157)}🐳`, "x".repeat(157)],
    ["a pair that just fits", `${"x".repeat(156)}🐳`, `${"x".repeat(156)}🐳`],
  ])("%s", (_, text, expected) => {
    for (const [what, write] of errors) {
      const packet = query(`${LONGEST} A`, { edns: 512 });
      const q = new Query();
      parseQuery(packet, packet.length, q);
      const out = Buffer.alloc(1024, 0xee);
      packet.copy(out, 0, 0, q.questionEnd);
      const size = write(text)(q, out);
      expect(size, what).toBeLessThanOrEqual(512);
      expect(told(out.subarray(0, size)).edns, what).toMatch(/ede=\d+$/);
      const length = Buffer.byteLength(expected);
      expect(out.subarray(size - length, size).toString(), what).toBe(expected);
      expect(out.readUInt16BE(size - length - 4), what).toBe(length + 2);
      expect(out.readUInt16BE(size - length - 8), what).toBe(length + 6);
    }
  });
});

describe("size", () => {
  // 12 header + 5 name + 4 = 21 octets, each A record 16, an OPT 11: (512 - 21) / 16 = 30, (512 - 32) / 16 = 30
  test.each([
    [1, 37, undefined, 1],
    [1, 36, undefined, 0],
    [1, 48, 512, 1],
    [1, 47, 512, 0],
    [30, 512, undefined, 30],
    [31, 512, undefined, 30],
    [30, 512, 512, 30],
    [31, 512, 512, 30],
    [75, 1232, 1232, 75],
    [76, 1232, 1232, 75],
    [1500, 65_535, undefined, 1500],
    [5000, 65_535, undefined, 4094],
  ])("of %i addresses in %i octets (edns %s) %i come, TC says if some are missing", (n, limit, edns, come) => {
    const answer = answerTo("web A", edns === undefined ? {} : { edns }, positive(a(...addresses(n)), limit));
    expect(answer.size).toBeLessThanOrEqual(limit);
    expect(new Set(answer.order).size).toBe(come);
    expect(answer.flags.includes("tc")).toBe(come < n);
  });

  test("never above the limit, whatever the records", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 512, max: 4096 }),
        fc.boolean(),
        (rdata, limit, edns) => {
          const set = rrset(
            99,
            5,
            rdata.map((r) => Buffer.from(r).toString("latin1")),
          );
          expect(rdataOf(set).length).toBe(rdata.length);
          const answer = answerTo("web TYPE99", edns ? { edns: limit } : {}, positive(set, limit));
          expect(answer.size).toBeLessThanOrEqual(limit);
        },
      ),
      { numRuns: 300 },
    );
  });
});

test("order is uniform: each of 6 permutations of 3 addresses within 15 % of its share", () => {
  const set = a("10.0.0.1", "10.0.0.2", "10.0.0.3");
  const seen = new Map<string, number>();
  const packet = query("web A");
  const q = new Query();
  const out = Buffer.alloc(512);
  parseQuery(packet, packet.length, q);
  packet.copy(out);
  const rounds = 12_000;
  for (let i = 0; i < rounds; i++) {
    const length = writeAnswer(q, out, 512, OWN_STYLE, set);
    const order = [0, 1, 2].map((r) => out[length - 16 * r - 1]).join();
    seen.set(order, (seen.get(order) ?? 0) + 1);
  }
  expect(seen.size).toBe(6);
  for (const count of seen.values()) expect(Math.abs(count - rounds / 6)).toBeLessThan((rounds / 6) * 0.15);
});
