/** A program in one file, by esbuild: what docs/embedding.md says works, and what is missing is said and done without. */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { expect, inject, onTestFinished, test } from "vitest";

const run = promisify(execFile);
const consumer = inject("consumer");

const ANSWERS = "db: 10.0.1.2\ndatabase: 10.0.1.2\ndb.mynet: 10.0.1.2\n10.0.1.2: db.mynet\nweb: 10.0.1.3\n";
const NO_WORKER =
  /ElevenWarning: the file of the worker threads, thread-main.js, is not beside the program; the main thread answers/;

test.each<[string, { worker: boolean; koffi: boolean; said: string | RegExp }]>([
  ["with the worker's file and koffi", { worker: true, koffi: true, said: "" }],
  ["without the worker's file", { worker: false, koffi: true, said: NO_WORKER }],
  [
    "without koffi",
    { worker: true, koffi: false, said: /ElevenWarning: koffi can't be loaded: .*: node's own sockets are used/ },
  ],
])("%s", async (_, { worker, koffi, said }) => {
  const directory = mkdtempSync(join(tmpdir(), "eleven-bundle-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  await build({
    absWorkingDir: consumer,
    entryPoints: [
      { in: "embed.ts", out: "program" },
      ...(worker ? [{ in: "eleven-dns/worker", out: "thread-main" }] : []),
    ],
    bundle: true,
    platform: "node",
    format: "esm",
    outdir: join(directory, "out"),
    banner: {
      js: 'import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);',
    },
  });
  writeFileSync(join(directory, "package.json"), '{ "type": "module" }');
  if (koffi) {
    mkdirSync(join(directory, "node_modules"));
    for (const name of ["koffi", "@koromix"])
      cpSync(join(consumer, "node_modules", name), join(directory, "node_modules", name), { recursive: true });
  }
  const { stdout, stderr } = await run(process.execPath, ["out/program.js"], { cwd: directory, timeout: 60_000 });
  expect(stdout).toBe(ANSWERS);
  if (typeof said === "string") expect(stderr).toBe(said);
  else expect(stderr).toMatch(said);
});
