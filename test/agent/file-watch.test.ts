/** When files begin to be others, however that comes about. No events are needed; where they come, it is sooner. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { FileWatch } from "../../src/agent/file-watch.ts";

/** A place with a file in it, watched by its path or by that of its directory. */
async function watched(what: "file" | "directory", every: number, make?: (root: string) => void) {
  const root = mkdtempSync(join(tmpdir(), "eleven-"));
  const directory = join(root, "conf.d");
  if (make) make(root);
  else {
    mkdirSync(directory);
    writeFileSync(join(directory, "a.yaml"), "one");
  }
  let told = 0;
  const path = what === "file" ? join(directory, "a.yaml") : directory;
  const watch = new FileWatch([path], () => told++, { every, quiet: 5 });
  onTestFinished(() => {
    watch.close();
    rmSync(root, { recursive: true, force: true });
  });
  await vi.waitFor(() => expect(told).toBe(1)); // what it begins with may be newer than what was read
  return { root, directory, told: () => told, watch };
}

const EDITS: [string, (place: { root: string; directory: string }) => void][] = [
  ["written in place", ({ directory }) => writeFileSync(join(directory, "a.yaml"), "two")],
  [
    "replaced, as editors do",
    ({ directory }) => {
      writeFileSync(join(directory, "a.yaml~new"), "two");
      renameSync(join(directory, "a.yaml~new"), join(directory, "a.yaml"));
    },
  ],
  ["gone", ({ directory }) => rmSync(join(directory, "a.yaml"))],
  [
    "in a directory that is another",
    ({ root, directory }) => {
      renameSync(directory, join(root, "old"));
      mkdirSync(directory);
      writeFileSync(join(directory, "a.yaml"), "two");
    },
  ],
];

test.each(
  (["file", "directory"] as const)
    .flatMap((what) => [10, 1e8].flatMap((every) => EDITS.map(([how, edit]) => [what, how, every, edit] as const)))
    .filter(([, how, every]) => every < 1_000 || !how.startsWith("in a directory")), // of that there need be no event
)("a %s: %s, looked at every %i ms", async (what, _, every, edit) => {
  const place = await watched(what, every);
  edit(place);
  await vi.waitFor(() => expect(place.told()).toBe(2), 5_000);
});

test("Kubernetes' way: what a link in the path leads to is swapped", async () => {
  const volume = (root: string, name: string, text: string) => {
    mkdirSync(join(root, "conf.d", name), { recursive: true });
    writeFileSync(join(root, "conf.d", name, "a.yaml"), text);
    symlinkSync(name, join(root, "conf.d", "..tmp"));
    renameSync(join(root, "conf.d", "..tmp"), join(root, "conf.d", "..data"));
  };
  const place = await watched("directory", 10, (root) => {
    volume(root, "..1", "one");
    symlinkSync("..data/a.yaml", join(root, "conf.d", "a.yaml"));
  });
  volume(place.root, "..2", "two");
  await vi.waitFor(() => expect(place.told()).toBe(2), 5_000);
});

test("what comes into a directory is seen, what is no config is not", async () => {
  const place = await watched("directory", 10);
  for (const name of [".hidden.yaml", "a.yaml.bak", "notes"]) writeFileSync(join(place.directory, name), "x");
  writeFileSync(join(place.directory, "b.json"), "{}");
  await vi.waitFor(() => expect(place.told()).toBe(2), 5_000);
});

test("nothing is told after the end", async () => {
  const place = await watched("file", 5);
  place.watch.close();
  writeFileSync(join(place.directory, "a.yaml"), "two");
  await new Promise((done) => setTimeout(done, 50));
  expect(place.told()).toBe(1);
});
