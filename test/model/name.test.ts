import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { foldCase, keyName, nameKey, nameLabels, nameProblem } from "../../src/model/name.ts";

const L63 = "a".repeat(63);

test.each([
  ["", ""],
  [".", ""],
  ["Web", "\x03web"],
  ["Web.MyNet.", "\x03web\x05mynet"],
  ["_http._tcp.web", "\x05_http\x04_tcp\x03web"],
  ["Ä", "\x02\xc3\x84"], // UTF-8 octets, and only A-Z folds
  [L63, `\x3f${L63}`],
])("key of %j", (name, key) => {
  expect(nameKey(name)).toBe(key);
});

test("labels keep their case", () => expect(nameLabels("Web.MyNet")).toBe("\x03Web\x05MyNet"));

test.each([
  ["\x03web\x05mynet", "web.mynet"],
  ["", ""],
  ["\x03a.b\x01c", "a\\.b.c"],
  ["\x02a\\", "a\\\\"],
  ["\x03a b", "a\\032b"],
  ["\x01\0", "\\000"],
  ["\x02\xc3\x84", "\\195\\132"],
])("text of %j", (key, text) => {
  expect(keyName(key)).toBe(text);
});

test("folding is for ASCII only (RFC 4343)", () => expect(foldCase("AZ[`az\xc4")).toBe("az[`az\xc4"));

describe("problems", () => {
  test.each<[string, string | undefined]>([
    ["web", undefined],
    ["web_1.my-net", undefined],
    ["1", undefined],
    ["a.", undefined],
    ["ü", undefined],
    [L63, undefined],
    [`${L63}.${L63}.${L63}.${"a".repeat(61)}`, undefined],
    [`${L63}.${L63}.${L63}.${"a".repeat(61)}.`, undefined],
    ["", "is empty"],
    [".", "is empty"],
    ["..", "empty label"],
    ["a..b", "empty label"],
    [".a", "empty label"],
    ["a b", "white space"],
    ["a\n", "white space"],
    ["a\0", "control characters"],
    ["a\u00a0b", "white space"],
    [`${L63}a`, "a label of 64 octets"],
    ["ü".repeat(32), "a label of 64 octets"],
    [`${L63}.${L63}.${L63}.${"a".repeat(62)}`, "has 254 octets"],
  ])("%j", (name, problem) => {
    if (problem === undefined) expect(nameProblem(name)).toBeUndefined();
    else expect(nameProblem(name)).toContain(problem);
  });

  test("a name without one has a key of at most 254 octets, each label's length right, and reads back", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 80 }), (name) => {
        if (nameProblem(name) !== undefined) return;
        const key = nameLabels(name);
        const labels: string[] = [];
        for (let i = 0; i < key.length; i += key.charCodeAt(i) + 1) {
          expect(key.charCodeAt(i)).toBeGreaterThan(0);
          labels.push(Buffer.from(key.slice(i + 1, i + 1 + key.charCodeAt(i)), "latin1").toString());
        }
        expect(labels.join(".")).toBe(Buffer.from(name.replace(/\.$/, "")).toString());
        expect(key.length).toBeLessThanOrEqual(254);
      }),
    );
  });
});
