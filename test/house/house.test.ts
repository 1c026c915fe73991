/** The house rules that a linter alone would not notice the absence of. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { version } from "../../src/version.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const files = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .map((path) => join("src", path));
const folders = [...new Set(files.map((path) => dirname(path)))].filter((path) => path !== "src").sort();

interface Rule {
  readonly includes: readonly string[];
  readonly linter: { readonly rules: { readonly style: { readonly noRestrictedImports?: unknown } } };
}
const rules = (JSON.parse(readFileSync(join(ROOT, "biome.json"), "utf8")) as { overrides: Rule[] }).overrides;

test.each(folders)("%s has one rule for what it imports, and a line in docs/architecture.md", (folder) => {
  const own = rules.filter(({ includes }) => includes.includes(`${folder}/*.ts`));
  expect(own.map(({ linter }) => Object.keys(linter.rules.style))).toEqual([["noRestrictedImports"]]);
  expect(readFileSync(join(ROOT, "docs/architecture.md"), "utf8")).toContain(`\n| \`${folder}\` `);
});

test("no rule is for a folder that is not there", () => {
  const wanted = rules.flatMap(({ includes }) => includes).map((glob) => glob.replace("/*.ts", ""));
  expect(wanted.filter((folder) => !existsSync(join(ROOT, folder)))).toEqual([]);
});

test("no source file has more than 300 lines", () => {
  const long = files.filter((path) => readFileSync(join(ROOT, path), "utf8").split("\n").length > 301);
  expect(long).toEqual([]);
});

describe("a file that a comment or a document names is there", () => {
  const kept = ["src", "test", "bench", "scripts", "examples", "docs"].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).map((path) => `${folder}/${path}`),
  );
  const COMMENT = /\/\*[\s\S]*?\*\/|(?<![:"'`])\/\/.*/g;
  const NAME = /(?<![\w./-])(?:\.{1,2}\/)*\w[\w./-]*\.ts\b/g;

  const wordsOf = (path: string): string => {
    const text = readFileSync(join(ROOT, path), "utf8");
    return path.endsWith(".ts") ? (text.match(COMMENT) ?? []).join("\n") : text.replace(/^```[\s\S]*?^```/gm, "");
  };
  const missing = (words: string): string[] =>
    (words.match(NAME) ?? []).filter(
      (name) => !kept.some((path) => `/${path}`.endsWith(`/${name.replace(/^\.\//, "")}`)),
    );

  test.each([
    ["`wire/query.ts` and house.test.ts", []],
    ["see src/no/such.ts, or none.ts", ["src/no/such.ts", "none.ts"]],
  ])("%s", (words, expected) => {
    expect(missing(words)).toEqual(expected);
  });

  const told = [...kept.filter((path) => /\.(ts|md)$/.test(path)), "README.md", "CONTRIBUTING.md", "SECURITY.md"];
  test("in all of them", () => {
    const wrong = told.flatMap((path) => missing(wordsOf(path)).map((name) => `${path}: ${name}`));
    expect(wrong.filter((where) => !where.includes("no/such.ts"))).toEqual([]);
  });
});

test.each([
  ["koffi is loaded", /\(["']koffi["']\)|import (?!type)[^;]*["']koffi["']/, ["src/os/libc.ts"]],
  ["a thread changes its namespace", /\bsetns\(/, ["src/os/libc.ts", "src/os/netns.ts"]],
  ["dns2 is loaded", /^import (?!type).*["']dns2["']/m, ["src/server/object-edge.ts"]],
  ["a listening socket is accepted from", /\baccept4\(/, ["src/os/libc.ts", "src/os/socket.ts"]],
])("%s in one place", (_what, pattern, places) => {
  expect(files.filter((path) => pattern.test(readFileSync(join(ROOT, path), "utf8"))).sort()).toEqual(places);
});

test("whether there is a namespace to enter is nobody's question but inNetns's", () => {
  const asks = /=== undefined \?[^:;]*:\s*inNetns\(/;
  expect(files.filter((path) => asks.test(readFileSync(join(ROOT, path), "utf8")))).toEqual([]);
});

test("the version in the source is the package's", () => {
  const { version: wanted } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
  expect(version).toBe(wanted);
});

test("zod is for what people write: changes, options, config files, requests", () => {
  const users = files.filter((path) => /from "zod"/.test(readFileSync(join(ROOT, path), "utf8")));
  expect([...new Set(users.map((path) => (path === "src/options.ts" ? path : dirname(path))))].sort()).toEqual([
    "src/cni",
    "src/config",
    "src/control",
    "src/model",
    "src/options.ts",
  ]);
});
