import { describe, expect, test } from "vitest";
import { cutReply, respellOwners } from "../../src/wire/fit.ts";
import { appendOpt, errorOption, extendedErrors, OPT_SIZE } from "../../src/wire/opt.ts";
import { guarded } from "../support/guarded.ts";
import { hex } from "../support/text.ts";

const HEAD = "1234 8180 0001";
const Q = "04 70656572 00 0001 0001"; // peer A IN: ends at 22
const A = "c00c 0001 0001 0000003c 0004 01020304"; // 16 octets
const SOA = "c00c 0006 0001 00000064 0016 00 00 00000001 00000002 00000003 00000004 00000032"; // 34

const reply = (counts: string, ...records: string[]) => hex(`${HEAD} ${counts} ${Q}${records.join("")}`);

describe("what a reply keeps", () => {
  test.each([
    ["all, if it fits", reply("0002 0001 0000", A, A, SOA), 88, "len=88 an=2 ns=1 ar=0"],
    ["one octet less: no authority", reply("0002 0001 0000", A, A, SOA), 87, "len=54 an=2 ns=0 ar=0 tc"],
    ["whole answers only", reply("0003 0001 0000", A, A, A, SOA), 69, "len=54 an=2 ns=0 ar=0 tc"],
    ["additional records go without a word", reply("0001 0000 0001", A, A), 53, "len=38 an=1 ns=0 ar=0"],
    ["no room at all", reply("0001 0000 0000", A), 22, "len=22 an=0 ns=0 ar=0 tc"],
    ["cut off in mid-record", reply("0003 0000 0000", A, A, A).subarray(0, 60), 512, "len=54 an=2 ns=0 ar=0 tc"],
    ["cut off in its rdata", reply("0003 0000 0000", A, A, A).subarray(0, 68), 512, "len=54 an=2 ns=0 ar=0 tc"],
    ["more promised than there", reply("ffff 0000 0000", A), 512, "len=38 an=1 ns=0 ar=0 tc"],
    [
      "an OPT among the answers",
      reply("0002 0000 0000", A, "00 0029 04d0 00000000 0000"),
      512,
      "len=38 an=1 ns=0 ar=0 tc",
    ],
    ["additional records of a cut one go, too", reply("0001 0000 0101", A, A), 37, "len=22 an=0 ns=0 ar=0 tc"],
    ["authority that ends with the packet", reply("0001 0001 0000", A, SOA), 512, "len=72 an=1 ns=1 ar=0"],
    ["more than 255", reply("0101 0000 0000", ...Array(257).fill(A)), 65_535, `len=${22 + 257 * 16} an=257 ns=0 ar=0`],
    ["a header that is cut off", reply("0001 0000 0000", "c00c 0001 0001 0000"), 512, "len=22 an=0 ns=0 ar=0 tc"],
    ["no rdata", reply("0001 0000 0000", "c00c 0001 0001 0000003c 0000"), 512, "len=34 an=1 ns=0 ar=0"],
    ["a name that is cut off", reply("0001 0000 0000", "05 61"), 512, "len=22 an=0 ns=0 ar=0 tc"],
    ["nothing behind the question", reply("0001 0001 0001"), 512, "len=22 an=0 ns=0 ar=0 tc"],
  ])("%s", (_name, packet, room, expected) => {
    const end = cutReply(guarded(packet), 22, packet.length, room);
    const [an, ns, ar] = [6, 8, 10].map((at) => packet.readUInt16BE(at));
    expect(`len=${end} an=${an} ns=${ns} ar=${ar}${packet[2]! & 2 ? " tc" : ""}`).toBe(expected);
  });
});

describe("an OPT record", () => {
  const EDE = "000f 0004 0003 6162";
  test.each([
    ["none", "", ""],
    ["one, among others", `000a 0008 0102030405060708 ${EDE} 000c 0001 00`, EDE],
    ["two", `${EDE}${EDE}`, `${EDE}${EDE}`],
    ["one that is too long", `000f 0040 ${"00".repeat(64)} ${EDE}`, EDE],
    ["one without a code", "000f 0001 00", ""],
    ["one that ends outside", `${EDE} 000f 0040 0000`, EDE],
    ["half an option", `${EDE} 000f`, EDE],
    ["one that is cut off", "000f 0008 0003 6162", ""],
    ["one without a code, before another", `000f 0001 00 ${EDE}`, EDE],
    ["three of eight octets, where there is room for 24", EDE.repeat(4), EDE.repeat(3)],
    ["one with no text", "000f 0002 0003", "000f 0002 0003"],
    ["another option only", "000a 0004 0003 6162", ""],
  ])("errors that are kept of %s", (_name, options, expected) => {
    const data = hex(options);
    const packet = Buffer.concat([hex(`${HEAD} 0000 0000 0001 ${Q} 00 0029 04d0 00000000 0000`), data]);
    packet.writeUInt16BE(data.length, 22 + 9);
    const kept = Buffer.from(extendedErrors(packet, 22, 24));
    packet.fill(0);
    expect(kept.toString("hex")).toBe(hex(expected).toString("hex"));
  });

  test("what stands behind the OPT record is none of its options", () => {
    const packet = hex(`${HEAD} 0000 0000 0001 ${Q} 00 0029 04d0 00000000 0000 ${EDE}`);
    expect(extendedErrors(packet, 22, 24).length).toBe(0);
  });

  test.each([
    ["text is UTF-8", "größer", "000f 000a 0012 6772c3b6c39f6572"],
    ["two octets from U+0080 on", "\x7f\x80\u07ff", "000f 0007 0012 7f c280 dfbf"],
    ["three from U+0800 on", "\u0800\uffffa", "000f 0009 0012 e0a080 efbfbf 61"],
    ["four from U+10000 on", "\u{10000}\u{10ffff}", "000f 000a 0012 f0908080 f48fbfbf"],
    ["half a pair", "\ud7ff\udfff\ud800\ue000", "000f 000e 0012 ed9fbf efbfbd efbfbd ee8080"],
    ["160 octets of it, and no half character", `${"a".repeat(159)}ö`, `000f 00a1 0012 ${"61".repeat(159)}`],
  ])("an error as an option: %s", (_name, text, expected) => {
    expect(Buffer.from(errorOption({ code: 18, text })).toString("hex")).toBe(hex(expected).toString("hex"));
  });

  test("is written behind the last record", () => {
    const out = Buffer.concat([reply("0001 0000 0000", A), Buffer.alloc(OPT_SIZE + 8)]);
    expect(appendOpt(out, 38, true, errorOption({ code: 18, text: "no" }))).toBe(out.length);
    expect(out.toString("hex", 38)).toBe(hex("00 0029 04d0 00 00 8000 0008 000f 0004 0012 6e6f").toString("hex"));
    expect(out.readUInt16BE(10)).toBe(1);
  });
});

test("owners that spell out the question's name get the client's spelling; others stay", () => {
  const mixed = "04 50654572 00 0001 0001"; // PeEr
  const owned = (name: string) => `${name} 0001 0001 0000003c 0004 01020304`;
  const packet = hex(
    `${HEAD} 0003 0000 0000 ${mixed} ${owned("04 50654572 00")} ${owned("04 70654572 00")} ${owned("c00c")}`,
  );
  respellOwners(packet, 22, packet.length, reply("0000 0000 0000"));
  expect(packet.toString("latin1", 22, 28)).toBe("\x04peer\0");
  expect(packet.toString("latin1", 42, 48)).toBe("\x04peEr\0");
});

describe("respelling, in a packet of any kind", () => {
  const asked = "1234 0100 0001 0000 0000 0000 04 50656572 00 0001 0001"; // Peer
  test.each([
    [
      "a record of a type above 255",
      `04 70656572 00 0101 0001 0000003c 0000`,
      `04 50656572 00 0101 0001 0000003c 0000`,
    ],
    ["a name and no more", "04 70656572 00", "04 50656572 00"],
    ["half a name", "04 706565", "04 706565"],
    [
      "a record that is cut off, then a name",
      "c00c 0001 0001 0000003c 00ff 04 70656572 00",
      "c00c 0001 0001 0000003c 00ff 04 70656572 00",
    ],
    ["a reserved label", "40 0000 04 70656572 00", "40 0000 04 70656572 00"],
    ["half a record", "c00c 0001 0001", "c00c 0001 0001"],
    ["the second record", `${A} 04 70656572 00 0001 0001 0000003c 0000`, `${A} 04 50656572 00 0001 0001 0000003c 0000`],
  ])("%s", (_name, records, expected) => {
    const packet = hex(`${HEAD} 0001 0000 0000 ${Q}${records}`);
    respellOwners(guarded(packet), 22, packet.length, hex(asked));
    expect(packet.toString("hex", 22)).toBe(hex(expected).toString("hex"));
  });
});
