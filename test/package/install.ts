/** The package as a stranger has it: packed, and installed in a directory outside of the repository, with old compilers beside it. */
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { TestProject } from "vitest/node";

const run = promisify(execFile);
const ROOT = new URL("../../", import.meta.url).pathname;

declare module "vitest" {
  interface ProvidedContext {
    /** Where it is installed. */
    consumer: string;
  }
}

/** Not in our own node_modules: each of them has a `tsc` that would take the place of ours. */
const COMPILERS = ["typescript-5.6@npm:typescript@5.6.3", "typescript-5.8@npm:typescript@5.8.3"];

const NODE_TYPES = "node_modules/@types/node/package.json";
const versionOf = (file: string) => (JSON.parse(readFileSync(join(ROOT, file), "utf8")) as { version: string }).version;

/** Once before the tests of this project. */
export default async function install(project: TestProject): Promise<() => void> {
  const consumer = mkdtempSync(join(tmpdir(), "eleven-package-"));
  project.provide("consumer", consumer);
  const npm = (cwd: string, ...args: string[]) => run("npm", args, { cwd });
  await npm(ROOT, "pack", "--ignore-scripts", "--pack-destination", consumer);
  writeFileSync(join(consumer, "package.json"), JSON.stringify({ name: "consumer", private: true, type: "module" }));
  const wanted = [`./eleven-dns-${versionOf("package.json")}.tgz`, `@types/node@${versionOf(NODE_TYPES)}`];
  await npm(consumer, "install", "--prefer-offline", "--no-audit", "--no-fund", ...wanted, ...COMPILERS);
  cpSync(join(consumer, "node_modules/eleven-dns/examples"), consumer, { recursive: true });
  cpSync(join(ROOT, "test/package/consumer"), consumer, { recursive: true });
  return () => rmSync(consumer, { recursive: true });
}
