/**
 * `npm run mutate`: changes one thing at a time in the pure folders, runs the folder's unit tests, and prints what they did not
 * notice (Stryker). `npm run mutate -- src/wire/** src/model/name.ts`: only there. What was found is kept in reports/mutation and
 * only what changed since is tried again; `--force` tries everything (a new test of what is made at load is seen only then).
 * Mutants that change nothing that can be seen are named in test/mutation/equivalent.txt.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Less than this in a folder is an error. */
const LEAST_KILLED = 90;

/** Pure folders and files, and the tests that have to notice. */
const FOLDERS: readonly (readonly [name: string, sources: readonly string[], tests: readonly string[]])[] = [
  ["model", ["src/model"], ["test/model/**/*.test.ts", "test/registry/{patch,rules,refusals,names}.test.ts"]],
  ["wire", ["src/wire"], ["test/wire/**/*.test.ts"]],
  ["scoping", ["src/scoping"], ["test/scoping/**/*.test.ts", "test/server/negative.test.ts"]],
  ["resolv-conf", ["src/resolv-conf/parse.ts", "src/resolv-conf/text.ts"], ["test/resolv-conf/{parse,text}.test.ts"]],
  ["forwarder", ["src/forwarder/core"], ["test/forwarder/core/**/*.test.ts"]],
  [
    "registry",
    ["src/registry"],
    ["test/registry/{names,registry,rules,patch,feed,undo,pools,ranges,refusals,services,folding,properties}.test.ts"],
  ],
  [
    "lb-programmer",
    ["changed", "diff", "entries", "marks", "normal", "port-ranges", "reconcile/leaving"].map(
      (file) => `src/lb-programmer/${file}.ts`,
    ),
    ["test/lb-programmer/{diff,port-ranges,marks,leaving}.test.ts"],
  ],
  ["plan", ["src/lb-programmer/plan"], ["test/lb-programmer/plan*.test.ts", "test/golden/balancing/*.test.ts"]],
];

/** The part of Stryker's report that is read here. */
interface Report {
  readonly files: Readonly<Record<string, { readonly source: string; readonly mutants: readonly Mutant[] }>>;
}
interface Mutant {
  readonly status: "Killed" | "Timeout" | "Survived" | "NoCoverage" | "CompileError" | "RuntimeError" | "Ignored";
  readonly replacement?: string;
  readonly location: { readonly start: Position; readonly end: Position };
}
interface Position {
  readonly line: number;
  readonly column: number;
}

const force = process.argv.includes("--force");
// The shell has made names of files of src/wire/**; what it left is a folder with stars.
const chosen = process.argv
  .slice(2)
  .filter((argument) => argument !== "--force")
  .map((path) => path.replace(/\/\*+$/, ""));
const isChosen = (file: string): boolean =>
  chosen.length === 0 || chosen.some((place) => file === place || file.startsWith(`${place}/`));

const equivalent = new Set(
  readFileSync("test/mutation/equivalent.txt", "utf8")
    .split("\n")
    .filter((line) => /^\S+\.ts: /.test(line)),
);

const runs = FOLDERS.map(([name, sources, tests]) => ({
  name,
  files: sources.flatMap(filesOf).filter(isChosen),
  tests,
}));
for (const { name, files, tests } of runs) if (files.length > 0) mutate(name, files, tests);
if (runs.every(({ files }) => files.length === 0)) {
  console.error(`no pure code in ${chosen.join(" ")}: what is, is listed in scripts/mutate.ts`);
  process.exitCode = 1;
}

function filesOf(place: string): string[] {
  if (place.endsWith(".ts")) return [place];
  return readdirSync(place)
    .filter((file) => file.endsWith(".ts"))
    .map((file) => join(place, file));
}

/** One run of Stryker, and what it found in these files. */
function mutate(name: string, files: readonly string[], tests: readonly string[]): void {
  const began = performance.now();
  const report = `reports/mutation/${name}.json`;
  const stryker = ["run", "--mutate", files.join(), "--incrementalFile", report, ...(force ? ["--force"] : [])];
  const env = { ...process.env, MUTATE_TESTS: tests.join(" ") };
  const { status } = spawnSync("node_modules/.bin/stryker", stryker, { stdio: "inherit", env });
  if (status !== 0 || !existsSync(report)) process.exit(status ?? 1);
  const found = JSON.parse(readFileSync(report, "utf8")) as Report;
  const counted = { killed: 0, timeout: 0, equivalent: 0, survived: 0 };
  for (const file of files) {
    const { source, mutants } = found.files[file] ?? { source: "", mutants: [] };
    for (const mutant of mutants) {
      if (mutant.status === "Killed") counted.killed++;
      if (mutant.status === "Timeout") counted.timeout++;
      if (mutant.status !== "Survived" && mutant.status !== "NoCoverage") continue;
      const what = described(file, source, mutant);
      if (equivalent.has(what)) counted.equivalent++;
      else {
        counted.survived++;
        console.log(
          `${file}:${mutant.location.start.line}${mutant.status === "NoCoverage" ? " never run" : ""}\n  ${what}`,
        );
      }
    }
  }
  const { killed, timeout, survived } = counted;
  const share = (100 * (killed + timeout)) / (killed + timeout + survived);
  const minutes = ((performance.now() - began) / 60_000).toFixed(1);
  console.log(
    `${name}: ${JSON.stringify(counted)}, ${share.toFixed(1)} % of those that can be noticed, ${minutes} min`,
  );
  if (share < LEAST_KILLED) process.exitCode = 1;
}

/** A mutant by what it changes, so that lines may move: `src/wire/query.ts: if ([length < HEADER -> false]) return DROP;`. */
function described(file: string, source: string, { location: { start, end }, replacement = "" }: Mutant): string {
  const lines = source.split("\n").slice(start.line - 1, end.line);
  const before = lines[0]!.slice(0, start.column - 1);
  const behind = lines.at(-1)!.slice(end.column - 1);
  const original = lines.join("\n").slice(before.length, lines.join("\n").length - behind.length);
  return `${file}: ${before}[${original} -> ${replacement}]${behind}`.replace(/\s+/g, " ");
}
