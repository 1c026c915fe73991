/** No function is longer than a screen. Measured in the formatted text, where a function ends at the indent that it begins at. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const ROOT = new URL("../../", import.meta.url).pathname;
/** Lines between the braces. */
const MOST = 40;
/** In a function that is longer all the same, the first line says why. */
const REASON = /^\s*\/\/ Long: \S/;

/** The line on which the parameters of a function, method or arrow end and its body begins. */
const BEGINS =
  /^(\s*)(?=\S)(?!\}|if\b|for\b|while\b|switch\b|with\b|catch\b)(?:.*[\w)>\]}] \{|.*=> (?:\(?\{|\(?\[)|\).* \{)$/;
const NO_FUNCTION =
  /^\s*(?:export )?(?:default )?(?:abstract )?(?:class|interface|type|enum|namespace|do|try|else|import|export \{)\b/;

interface Found {
  readonly line: number;
  readonly length: number;
  readonly excused: boolean;
}

function functionsIn(text: string): Found[] {
  const lines = text.split("\n");
  return lines.flatMap((line, at) => {
    const indent = BEGINS.exec(line)?.[1];
    if (indent === undefined || NO_FUNCTION.test(line)) return [];
    const end = lines.findIndex(
      (later, i) => i > at && /^\s*[}\])]/.test(later) && later.search(/\S/) === indent.length,
    );
    return [{ line: at + 1, length: end - at - 1, excused: REASON.test(lines[at + 1] ?? "") }];
  });
}

test.each([
  ["a function", "export function a(): void {\n  b();\n}\n", [1]],
  ["one with many parameters", "function a(\n  b: number,\n): void {\n  b();\n  b();\n}\n", [2]],
  [
    "a method, and what is in it",
    "class A {\n  get b(): C {\n    each((c) => {\n      c();\n    });\n  }\n}\n",
    [3, 1],
  ],
  ["an arrow that makes an object", "const a = (b: B): C => ({\n  b,\n});\n", [1]],
  ["no statement is one", "  if (a) {\n    b();\n  }\n  for (;;) {\n    c();\n  }\n", []],
])("%s is found and measured", (_name, text, lengths) => {
  expect(functionsIn(text).map(({ length }) => length)).toEqual(lengths);
});

test("a reason counts on the first line only", () => {
  const found = functionsIn("function a(): void {\n  // Long: it is a list\n}\nfunction b(): void {\n  // a\n}\n");
  expect(found.map(({ excused }) => excused)).toEqual([true, false]);
});

const files = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" }).filter((path) =>
  path.endsWith(".ts"),
);

test(`none in src has more than ${MOST} lines without a reason`, () => {
  const long = files.flatMap((path) =>
    functionsIn(readFileSync(join(ROOT, "src", path), "utf8"))
      .filter(({ length, excused }) => length > MOST && !excused)
      .map(({ line, length }) => `src/${path}:${line} (${length})`),
  );
  expect(long.sort()).toEqual([]);
});
