/** The house rules that a linter alone would not notice the absence of. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";

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

test("zod is for what people write: changes, options, config files", () => {
  const users = files.filter((path) => /from "zod"/.test(readFileSync(join(ROOT, path), "utf8")));
  expect([...new Set(users.map((path) => (path === "src/options.ts" ? path : dirname(path))))].sort()).toEqual([
    "src/config",
    "src/model",
    "src/options.ts",
  ]);
});
