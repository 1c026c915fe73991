import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  callingProblem,
  foldCase,
  isServable,
  keyName,
  nameKey,
  nameLabels,
  nameProblem,
} from "../../src/model/name.ts";

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

test.each([
  ["AZ[`az\xc4", "az[`az\xc4"],
  ["ABC", "abc"],
  ["abc", "abc"],
])("folding of %j is for ASCII only (RFC 4343)", (text, folded) => expect(foldCase(text)).toBe(folded));

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
    ["ab..", "empty label"],
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

test.each<[string, boolean]>([
  ["web", true],
  ["a.", true],
  ["a b", true], // a label may hold any octets
  ["*.app", true],
  ["a\x7f", true],
  [L63, true],
  [`${L63}.${L63}.${L63}.${"a".repeat(61)}.`, true],
  ["ü".repeat(31), true],
  ["", false],
  [".", false],
  ["..", false],
  ["a..b", false],
  ["a..", false],
  [".a", false],
  [`${L63}a`, false],
  ["ü".repeat(32), false],
  [`a.${"ü".repeat(32)}`, false],
  [`${L63}.${L63}.${L63}.${"a".repeat(62)}`, false],
  [`${"ü.".repeat(83)}aaa`, true],
  [`${"ü.".repeat(84)}aa`, false], // 254 octets
])("DNS has a form for %j: %s", (name, servable) => expect(isServable(name)).toBe(servable));

test("whatever DNS has a form for makes a sound key", () => {
  const name = fc
    .array(fc.constantFrom("a", ".", "ü", "x".repeat(30), "🐳", "*"), { maxLength: 40 })
    .map((p) => p.join(""));
  fc.assert(
    fc.property(fc.oneof(name, fc.string({ maxLength: 300 })), (text) => {
      const key = nameKey(text);
      let at = 0;
      let sound = key.length > 0 && key.length <= 254;
      for (; at < key.length; at += key.charCodeAt(at) + 1) sound &&= key.charCodeAt(at) > 0;
      if (isServable(text)) expect([sound, at]).toEqual([true, key.length]);
    }),
  );
});

test.each<[string, string | undefined]>([
  ["web", undefined],
  [`${L63}${L63}`, undefined],
  ["my net", undefined],
  ["a..b.", undefined],
  ["constructor", undefined],
  ["__proto__", undefined],
  ["", "is empty"],
  [" ", "is empty"],
  ["a\nb", "has control characters"],
  ["a\u001b[31m", "has control characters"],
  ["a\u2028b", "has control characters"],
])("anything may be called %j unless it %s", (name, problem) => {
  expect(callingProblem(name, true)).toBe(problem);
  expect(callingProblem(name)).toBe(problem ?? (name.includes(" ") ? "has white space" : undefined));
});
