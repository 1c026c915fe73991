/** docs/cli.md says what --help does, and what the exit codes are; and what help loads is not the engine. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { withReference } from "../../scripts/cli.ts";
import { EXIT_CODES } from "../../src/commands/exit.ts";
import { eleven } from "../support/fake-agent.ts";

const document = readFileSync("docs/cli.md", "utf8");

test("the reference is what `npx tsx scripts/cli.ts` writes", async () => {
  expect(document).toBe(await withReference(document));
});

test.each(EXIT_CODES)("exit code %d is in the table: %s", (code, meaning) => {
  expect(document.replace(/ +\|/g, " |").replace(/\| +/g, "| ")).toContain(`| ${code} | ${meaning} |`);
});

test("every example in a help is a command that is there, with options that are", async () => {
  const examples = [...document.matchAll(/^ {2}\$ (?:sudo )?eleven (.*)$/gm)].map(([, words]) => words!);
  expect(examples.length).toBeGreaterThan(15);
  for (const words of examples.filter(
    (one) => !/[<>]|^agent|^serve|^config|^state|^doctor|^demo|^completion/.test(one),
  )) {
    const said = await eleven([...words.matchAll(/'([^']*)'|[^\s']+/g)].map(([word, quoted]) => quoted ?? word));
    expect(said, words).toMatch(/^! eleven: eleven agent is not running/);
  }
});

test("help and completion load neither the engine nor what checks configs", () => {
  const loaded = new Set<string>();
  const packages = new Set<string>();
  const load = (file: string): void => {
    if (loaded.has(file)) return;
    loaded.add(file);
    const imports = readFileSync(file, "utf8").matchAll(/^(?:import|export)(?! type\b)[^;]*?from "([^"]+)"/gm);
    for (const [, from] of imports)
      if (from!.startsWith(".")) load(join(dirname(file), from!));
      else packages.add(from!);
  };
  load("src/commands/command.ts");
  expect([...loaded].every((file) => existsSync(file))).toBe(true);
  expect([...packages]).toEqual(["commander"]);
  expect([...loaded].filter((file) => !file.startsWith("src/commands/")).sort()).toEqual([
    "src/config/problems.ts",
    "src/model/quote.ts",
    "src/version.ts",
  ]);
});
