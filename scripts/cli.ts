/** Writes the reference in docs/cli.md: what each command's --help says. The tests say when it is stale. */
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type { Command } from "commander";
import { command } from "../src/commands/command.ts";
import { createProgram } from "../src/commands/program.ts";
import { version } from "../src/version.ts";

const FILE = "docs/cli.md";
const BEGINS = "<!-- From here on: npx tsx scripts/cli.ts -->\n";

/** The document with its reference as it should be. */
export async function withReference(document: string): Promise<string> {
  const silent = { print: () => {}, complain: () => {}, env: {} };
  const parts: string[] = [];
  for (const path of paths(createProgram(silent).root)) {
    const title = `${"#".repeat(Math.min(path.length + 2, 4))} eleven${path.map((word) => ` ${word}`).join("")}`;
    parts.push(`${title}\n\n\`\`\`\n${await helpOf(path)}\n\`\`\`\n`);
  }
  return `${document.slice(0, document.indexOf(BEGINS))}${BEGINS}\n${parts.join("\n")}`;
}

const paths = (of: Command, path: readonly string[] = []): (readonly string[])[] => [
  path,
  ...of
    .createHelp()
    .visibleCommands(of)
    .filter((sub) => sub.name() !== "help")
    .flatMap((sub) => paths(sub, [...path, sub.name()])),
];

/** Without what is the same everywhere. */
async function helpOf(path: readonly string[]): Promise<string> {
  let said = "";
  const print = (text: string): void => {
    said += `${text}\n`;
  };
  await command([...path, "--help"], { print, complain: print, env: {} });
  const own = said.replace(/\nGlobal Options:\n(?: .*\n?)*/, "").replace(`eleven ${version}:`, "eleven:");
  return own
    .replace(/^ {2}-h, --help .*\n(?! {3})/m, "")
    .replace(/\nOptions:\n(?=\n|$)/, "")
    .replace(/\n{3,}/g, "\n\n")
    .trimEnd();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href)
  writeFileSync(FILE, await withReference(readFileSync(FILE, "utf8")));
