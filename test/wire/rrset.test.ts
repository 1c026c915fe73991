import { describe, expect, test } from "vitest";
import { hinfoRdata, nameRdata, rdataOf, rrset, srvRdata, txtRdata } from "../../src/wire/rrset.ts";

describe("rdata as octets", () => {
  test.each<[string, () => string, string]>([
    ["a name", () => nameRdata("\x03web\x01n"), "\x03web\x01n\0"],
    ["SRV", () => srvRdata(0x0102, 0x0304, 0x1f90, "\x03web"), "\x01\x02\x03\x04\x1f\x90\x03web\0"],
    ["TXT", () => txtRdata(["a=b", "c"]), "\x03a=b\x01c"],
    ["TXT of nothing", () => txtRdata([""]), "\0"],
    ["TXT is UTF-8", () => txtRdata(["ä"]), "\x02\xc3\xa4"],
    ["TXT of 255 octets", () => txtRdata(["x".repeat(255)]), `\xff${"x".repeat(255)}`],
    ["TXT of more goes on", () => txtRdata(["x".repeat(257)]), `\xff${"x".repeat(255)}\x02xx`],
    ["lines in TXT", () => txtRdata(["a\nb"]), "\x03a\nb"],
    ["HINFO", () => hinfoRdata("RFC8482", ""), "\x07RFC8482\0"],
    ["HINFO that is too long", () => hinfoRdata("x".repeat(300), "linux"), `\xff${"x".repeat(255)}\x05linux`],
  ])("%s", (_name, rdata, expected) => expect(rdata()).toBe(expected));
});

test.each<[string, number, string[], number, string]>([
  ["A: four octets each", 1, ["\x0a\0\0\x01", "\x0a\0\0\x02"], 4, "\x0a\0\0\x01\x0a\0\0\x02"],
  ["AAAA: sixteen", 28, ["a".repeat(16), "b".repeat(16)], 16, "a".repeat(16) + "b".repeat(16)],
  [
    "others behind their length",
    16,
    ["\x01a", "", "x".repeat(0x0102)],
    0,
    `\0\x02\x01a\0\0\x01\x02${"x".repeat(0x0102)}`,
  ],
  ["none", 1, [], 4, ""],
])("a set lies ready: %s", (_name, type, rdata, size, data) => {
  expect(rrset(type, 5, rdata)).toEqual({ type, ttl: 5, count: rdata.length, size, data });
  expect(rdataOf(rrset(type, 5, rdata))).toEqual(rdata);
});
