/** What is remembered over restarts: in a directory of ours alone, whole or not at all, and anything odd is said. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { StateDir } from "../../src/os/state-dir.ts";

const folder = () => mkdtempSync(join(tmpdir(), "eleven-state-"));

test("what was written is read, by the next process too; nothing else is there", () => {
  const path = join(folder(), "a", "b");
  const state = new StateDir(path);
  expect(existsSync(path)).toBe(false); // nothing is touched before it is needed
  expect(state.read("marks")).toBeUndefined();
  state.write("marks", { web: 256 });
  state.write("marks", { web: 257 });
  expect(new StateDir(path).read("marks")).toEqual({ web: 257 });
  expect(state.names("m")).toEqual(["marks"]);
  expect(statSync(path).mode & 0o777).toBe(0o700);
  state.remove("marks");
  state.remove("marks");
  expect(readdirSync(path)).toEqual([]);
});

test("a directory that others may look into is closed to them", () => {
  const path = folder();
  chmodSync(path, 0o755);
  new StateDir(path).read("x");
  expect(statSync(path).mode & 0o777).toBe(0o700);
});

test.each<[what: string, name: string, put: (path: string) => void, words: RegExp]>([
  ["a link in its place", "dir", (p) => symlinkSync(folder(), p), /must be a directory of user \d+'s/],
  ["a file in its place", "dir", (p) => writeFileSync(p, ""), /can't be made: EEXIST/],
  ["a damaged file", "dir/marks", (p) => writeFileSync(p, "{"), /marks is damaged .*remove it/],
  ["a link to a file", "dir/marks", (p) => symlinkSync("/etc/passwd", p), /marks can't be read: ELOOP/],
  ["a folder as a file", "dir/marks", (p) => mkdirSync(p), /marks is no file of ours/],
])("%s is refused with the reason", (_, name, put, words) => {
  const top = folder();
  if (name !== "dir") mkdirSync(join(top, "dir"));
  put(join(top, name));
  expect(() => new StateDir(join(top, "dir")).read("marks")).toThrow(words);
});

test("recall: what can't be read is said, set aside, and taken for nothing", () => {
  const path = folder();
  const state = new StateDir(path);
  const said: string[] = [];
  const recall = () => state.recall("marks", (problem) => said.push(problem));
  expect(recall()).toBeUndefined();
  writeFileSync(join(path, "marks"), "{");
  expect([recall(), recall()]).toEqual([undefined, undefined]);
  expect(said).toEqual([expect.stringMatching(/marks is damaged .*; going on without it$/)]);
  expect(readdirSync(path)).toEqual(["marks.damaged"]);
  state.write("marks", 1);
  expect(recall()).toBe(1);
});

test("where nothing can be made, it is refused at once: mkdir with `recursive` would try for ever below /proc", () => {
  const script = `const { StateDir } = await import(${JSON.stringify(new URL("../../src/os/state-dir.ts", import.meta.url).href)});
    try { new StateDir("/proc/eleven/state").read("x") } catch ({ message }) { console.log(message) }`;
  const words = ["--import", "tsx", "--input-type=module", "-e", script];
  expect(execFileSync(process.execPath, words, { encoding: "utf8", timeout: 20_000 }).trim()).toBe(
    "state directory /proc/eleven/state: can't be made: ENOENT",
  );
});

test("removed while it is in use, it is made again", () => {
  const path = join(folder(), "state");
  const state = new StateDir(path);
  state.write("marks", 1);
  rmSync(path, { recursive: true });
  state.write("marks", 2);
  expect(state.read("marks")).toBe(2);
});
