/** Marks over restarts: as they were, whatever the file says, and never in the way. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { KeptMarks } from "../../../src/lb-programmer/order/kept-marks.ts";
import { StateDir } from "../../../src/os/state-dir.ts";

const folder = () => mkdtempSync(join(tmpdir(), "eleven-state-"));

function kept(path: string) {
  const said: string[] = [];
  const marks = new KeptMarks(new StateDir(path), (problem) => said.push(problem));
  onTestFinished(() => marks.close({ cleared: false }));
  return { kept: marks, marks: marks.marks, said };
}
const read = (path: string): unknown => JSON.parse(readFileSync(join(path, "marks"), "utf8"));

test("who had a mark has it again in the next process", () => {
  const path = folder();
  const first = kept(path);
  for (const key of ["a/n/4", "b/n/4", "c/n/4"]) first.marks.of(key);
  first.marks.keep(["b/n/4", "c/n/4"]);
  first.kept.close({ cleared: false });
  const second = kept(path);
  expect(["c/n/4", "x/n/4", "b/n/4"].map((key) => second.marks.of(key))).toEqual([258, 256, 257]);
});

test("written soon after they change, changes of one moment together", async () => {
  const path = folder();
  const { marks } = kept(path);
  for (let i = 0; i < 1_000; i++) marks.of(`s${i}/n/4`);
  expect(existsSync(join(path, "marks"))).toBe(false);
  await vi.waitFor(() => expect(Object.keys(read(path) as object)).toHaveLength(1_000));
});

test("once every namespace was cleared there is nothing to remember", () => {
  const path = folder();
  const { kept: it, marks } = kept(path);
  marks.of("a/n/4");
  it.close({ cleared: true });
  expect(existsSync(join(path, "marks"))).toBe(false);
});

test.each([
  ["no JSON", "{", /marks is damaged .*; going on without it$/],
  ["a list", "[1, 2]", undefined],
  ["values that are no marks", '{"a":"256","b":7,"c":4294967295,"d":256.5,"e":null,"f":[257]}', undefined],
])("a file with %s is no obstacle", (_, text, words) => {
  const path = folder();
  writeFileSync(join(path, "marks"), text);
  const { kept: it, marks, said } = kept(path);
  expect(["z", "y"].map((key) => marks.of(key))).toEqual([256, 257]);
  expect(said).toEqual(words === undefined ? [] : [expect.stringMatching(words)]);
  if (words !== undefined) expect(readFileSync(join(path, "marks.damaged"), "utf8")).toBe(text);
  it.close({ cleared: false });
  expect(read(path)).toEqual({ z: 256, y: 257 });
});

test("what could not be written is written once it can be", () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const full = join(folder(), "full");
  writeFileSync(full, "a file where the directory should be");
  const { marks, said } = kept(join(full, "state"));
  marks.of("a/n/4");
  vi.advanceTimersByTime(1_000);
  expect(said).toEqual([expect.stringContaining("ENOTDIR"), expect.stringContaining("ENOTDIR")]);
  rmSync(full);
  vi.advanceTimersByTime(5_000);
  expect(read(join(full, "state"))).toEqual({ "a/n/4": 256 });
  expect(said).toHaveLength(2);
});

test("a directory that can't be is said, and marks are given out all the same", () => {
  const path = join(folder(), "file");
  writeFileSync(path, "");
  const { kept: it, marks, said } = kept(path);
  expect(marks.of("a")).toBe(256);
  it.close({ cleared: false });
  expect(said).toEqual([
    expect.stringMatching(/can't be made: EEXIST/),
    expect.stringMatching(/can't be made: EEXIST/),
  ]);
});
