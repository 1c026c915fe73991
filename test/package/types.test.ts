/** Types of the packed package, checked whole (skipLibCheck off) by the oldest compilers that it is for, and by ours. */
import { execFile } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, inject, test } from "vitest";
import { unnamed } from "./unnamed.ts";

const run = promisify(execFile);
const consumer = inject("consumer");
const OURS = new URL("../../node_modules/typescript", import.meta.url).pathname;
const examples = readdirSync(consumer).filter((f) => f.endsWith(".ts"));

interface Consumer {
  readonly compiler: string;
  readonly module: string;
  readonly moduleResolution?: string;
  readonly files: readonly string[];
}

const ESM = { files: examples };
test.each<[string, Consumer]>([
  ["5.6 as ESM", { compiler: "typescript-5.6", module: "nodenext", ...ESM }],
  ["5.6 for a bundler", { compiler: "typescript-5.6", module: "esnext", moduleResolution: "bundler", ...ESM }],
  ["5.8 as CommonJS", { compiler: "typescript-5.8", module: "nodenext", files: ["commonjs.cts"] }],
  ["ours as ESM", { compiler: OURS, module: "nodenext", ...ESM }],
])("TypeScript %s: %o", async (name, { compiler, files, ...options }) => {
  const config = join(consumer, `tsconfig.${name.replaceAll(" ", "-")}.json`);
  const compilerOptions = { target: "es2022", strict: true, skipLibCheck: false, types: ["node"], declaration: true };
  const outDir = `out-${name.replaceAll(" ", "-")}`;
  writeFileSync(config, JSON.stringify({ compilerOptions: { ...compilerOptions, ...options, outDir }, files }));
  const tsc = join(compiler === OURS ? OURS : join(consumer, "node_modules", compiler), "bin/tsc");
  const { stdout } = await run(process.execPath, [tsc, "-p", config], { cwd: consumer }).catch((error) => error);
  expect(stdout).toBe("");
});

test("the program that this came to runs: CommonJS that requires ES modules", async () => {
  const { stdout } = await run(process.execPath, ["out-5.8-as-CommonJS/commonjs.cjs"], { cwd: consumer });
  expect(stdout).toBe("revision 0, fake, nftables\n");
});

test("everything that a public type mentions can be imported", () => {
  const typescript = createRequire(join(consumer, "package.json"))("typescript-5.6");
  expect(unnamed(typescript, join(consumer, "node_modules/eleven-dns"))).toEqual([]);
});
