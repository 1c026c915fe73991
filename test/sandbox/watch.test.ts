/** What a path leads to, and when that is looked at: a table of what happens in folders, with real files. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { NamespaceWatch, namespaceAt } from "../../src/sandbox/watch.ts";

const NAMESPACE = "/proc/self/ns/net";

test("a path that can't be looked at leads to no namespace, and is no error", () => {
  const loop = join(mkdtempSync(join(tmpdir(), "eleven-")), "loop");
  symlinkSync(loop, loop); // ELOOP; EACCES is root's exception
  expect(namespaceAt(loop)).toBeUndefined();
  expect(namespaceAt("/nowhere")).toBeUndefined();
  expect(namespaceAt(NAMESPACE)).toMatch(/^\d+:\d+$/);
});

describe("a watch", () => {
  let root: string;
  let told: string[];
  /** How often each path was looked at. */
  let looks: Map<string, number>;
  let watch: NamespaceWatch;
  /** What is not a link, and no namespace: these paths count as one all the same, by this name. */
  let mounted: Map<string, string>;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "eleven-"));
    [told, looks, mounted] = [[], new Map(), new Map()];
    watch = new NamespaceWatch(
      (path) => told.push(path),
      (path) => {
        looks.set(path, (looks.get(path) ?? 0) + 1);
        return mounted.get(path) ?? namespaceAt(path);
      },
    );
  });
  afterEach(() => {
    watch.close();
    rmSync(root, { recursive: true, force: true });
  });

  const at = (name: string): string => join(root, name);
  const soon = (...paths: string[]) => vi.waitFor(() => expect(told).toEqual(paths), { timeout: 450, interval: 5 });
  const inTime = (...paths: string[]) => vi.waitFor(() => expect(told).toEqual(paths), { timeout: 1_300, interval: 5 });

  /** A path that is a namespace, in the table's own way: a plain file. */
  function mount(name: string): string {
    writeFileSync(at(name), "");
    mounted.set(at(name), "4:1");
    return at(name);
  }

  test.each<[string, (path: string) => void]>([
    ["it goes", rmAll],
    [
      "another one is renamed to it",
      (path) => {
        writeFileSync(`${path}.new`, "");
        mounted.set(path, "4:2");
        renameSync(`${path}.new`, path);
      },
    ],
  ])("%s: told at once", async (_, happen) => {
    const path = mount("a");
    watch.add(path);
    happen(path);
    await soon(path);
  });

  function rmAll(path: string): void {
    mounted.delete(path);
    rmSync(path);
  }

  test("it comes: told at once", async () => {
    watch.add(at("a"));
    symlinkSync(NAMESPACE, at("a"));
    await soon(at("a"));
  });

  test("it comes to be one a little after its file was made: told at once", async () => {
    watch.add(at("a"));
    writeFileSync(at("a"), "");
    await vi.waitFor(() => expect(looks.get(at("a"))).toBe(2), { timeout: 450, interval: 1 });
    mounted.set(at("a"), "4:1");
    await soon(at("a"));
  });

  test("where a link leads is told by nobody: within a second", async () => {
    symlinkSync("../nowhere", at("a"));
    mkdirSync(at("b"));
    const path = join(at("b"), "a");
    symlinkSync(at("a"), path);
    watch.add(path);
    rmSync(at("a"));
    symlinkSync(NAMESPACE, at("a"));
    await inTime(path);
  });

  test("a folder that comes later: its paths are seen within a second", async () => {
    const path = join(at("later"), "a");
    watch.add(path);
    mkdirSync(at("later"));
    symlinkSync(NAMESPACE, path);
    await inTime(path);
  });

  test("more happens in the folder than is listened to: told all the same", async () => {
    const path = mount("a");
    watch.add(path);
    for (let i = 0; i < 500; i++) writeFileSync(at(`other${i}`), "");
    rmAll(path);
    await soon(path);
  });

  test("other files of the folder, and other paths: nothing is looked at for their sake", async () => {
    const paths = Array.from({ length: 50 }, (_, i) => mount(`ns${i}`));
    vi.useFakeTimers({ toFake: ["setInterval"] }); // no time goes by
    try {
      for (const path of paths) watch.add(path);
      looks.clear();
      writeFileSync(at("other"), "");
      rmAll(paths[7]!);
      for (const until = performance.now() + 1_000; told.length === 0 && performance.now() < until; )
        await new Promise(setImmediate);
      expect([...looks.keys()]).toEqual([paths[7]]);
    } finally {
      vi.useRealTimers();
    }
  });

  test("of which everything is told is looked at seldom", () => {
    vi.useFakeTimers();
    try {
      const paths = Array.from({ length: 50 }, (_, i) => mount(`ns${i}`));
      for (const path of paths) watch.add(path);
      vi.advanceTimersByTime(10_000); // it has just come
      looks.clear();
      vi.advanceTimersByTime(10_000);
      const counts = [...looks.values()];
      expect(counts.length).toBe(50);
      expect(Math.max(...counts)).toBeLessThanOrEqual(3); // all of them once more if something is mounted on this machine just then
    } finally {
      vi.useRealTimers();
    }
  });

  test("it flaps: told of once a second", async () => {
    const path = at("a");
    watch.add(path);
    const from = performance.now();
    for (let i = 0; performance.now() - from < 900; i++) {
      if (i % 2) mounted.delete(path);
      else mounted.set(path, "4:1");
      writeFileSync(path, `${i}`);
      await new Promise(setImmediate);
    }
    expect(told.length).toBe(1);
  });
});
