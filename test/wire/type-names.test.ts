import { expect, test } from "vitest";
import { typeName, typeNumber } from "../../src/wire/type-names.ts";

test.each([
  ["A", 1, "A"],
  ["aaaa", 28, "AAAA"],
  ["HTTPS", 65, "HTTPS"],
  ["type65", 65, "HTTPS"],
  ["TYPE65280", 65_280, "TYPE65280"],
  ["TYPE65536", undefined, undefined],
  ["constructor", undefined, undefined],
  ["", undefined, undefined],
])("%s", (name, number, again) => {
  expect(typeNumber(name)).toBe(number);
  if (number !== undefined) expect(typeName(number)).toBe(again);
});
