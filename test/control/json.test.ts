/** Where a text stops being JSON. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseJson } from "../../src/control/json.ts";

test.each([
  ["", "line 1, column 1: it ends too early: there should be a value"],
  ["{", 'line 1, column 2: it ends too early: there should be a key in double quotes or "}"'],
  ['{\n "a": x}', "line 2, column 7: there should be a value"],
  ['{"a" 1}', 'line 1, column 6: there should be ":"'],
  ['{"a":1,}', "line 1, column 8: there should be a key in double quotes"],
  ["[1,]", "line 1, column 4: there should be a value"],
  ["[1 2]", 'line 1, column 4: there should be "," or the end of what is open'],
  ["[1}", 'line 1, column 3: there should be "," or the end of what is open'],
  ["{} {}", "line 1, column 4: there should be nothing more"],
  ["01", "line 1, column 2: there should be nothing more"],
  ['{"a":"b\n"}', "line 1, column 8: there should be a string that ends, on its line and with escapes that there are"],
  ['"\\x"', "line 1, column 2: there should be a string that ends, on its line and with escapes that there are"],
  ["{'a':1}", 'line 1, column 2: there should be a key in double quotes or "}"'],
])("%j: %s", (text, message) => {
  expect(() => parseJson(text)).toThrow(new Error(message));
});

test("of whatever is no JSON, the place is found", () => {
  const token = fc.constantFrom(
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"a"',
    '"',
    "\\",
    "1",
    "-",
    "true",
    "nul",
    " ",
    "\n",
    "e5",
    ".",
  );
  fc.assert(
    fc.property(fc.array(token, { maxLength: 12 }), (tokens) => {
      const text = tokens.join("");
      let right = true;
      try {
        JSON.parse(text);
      } catch {
        right = false;
      }
      if (right) parseJson(text);
      else expect(() => parseJson(text)).toThrow(/^line \d+, column \d+: (it ends too early: )?there should be /);
    }),
    { numRuns: 2_000 },
  );
});
