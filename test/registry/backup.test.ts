/** What is stored in a directory, in a file of its own and back: while it is written to, when it is damaged, when it is in use. */
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { libcProblem } from "../../src/os/libc.ts";
import { Registry } from "../../src/registry/registry.ts";
import { backup, restore } from "../../src/registry/stores/backup.ts";
import { checkLog } from "../../src/registry/stores/check-log.ts";
import { fileStore } from "../../src/registry/stores/file.ts";
import { changes } from "../support/world.ts";

const NET = "network n overlay 10.0.0.0/16";

let directory: string;
let saved: string;
const log = () => join(directory, "objects.log");
beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), "eleven-"));
  directory = join(folder, "objects");
  saved = join(folder, "saved");
});

async function opened(slack = 10_000) {
  const store = fileStore({ directory, slack });
  const registry = new Registry();
  onTestFinished(() => store.close());
  await store.open(registry);
  const containers = () => [...registry.state.containers.keys()].join(" ");
  return { store, registry, containers, write: (text: string) => store.write(changes(text)) };
}

/** A store with these lines written one after the other, closed again. */
async function written(...batches: string[]) {
  const { store, write } = await opened();
  for (const batch of batches) await write(batch);
  await store.close();
}

/** What a node would find; closed again. */
async function found() {
  const { store, registry, containers } = await opened();
  await store.close();
  return `${registry.revision}: ${containers()}`;
}

test("a backup is one line of what is stored, and is this user's alone", async () => {
  await written(NET, "container a on n", "container a state=paused on n", "container b on n");
  const { revision, counts } = await backup(directory, saved);
  expect([revision, Object.fromEntries(counts)]).toEqual([
    4,
    { network: 1, service: 0, task: 0, container: 2, sandbox: 0 },
  ]);
  expect(readFileSync(saved, "utf8").split("\n")).toHaveLength(3);
  expect((statSync(saved).mode & 0o777).toString(8)).toBe("600");
  expect(await checkLog(saved)).toMatchObject({ version: 2, revision: 4, torn: 0 });
});

test("there and back: what is stored now is kept beside it, and no revision is used twice", async () => {
  await written(NET, "container a on n");
  await backup(directory, saved);
  await written("container b on n", "container c on n");
  const { before, revision } = await restore(saved, directory);
  expect([revision, await found()]).toEqual([5, "5: a"]);
  expect(await checkLog(before!)).toMatchObject({ revision: 4 });
  expect(before).toMatch(/\/objects\.log\.before-\d{8}T\d{9}Z$/);
  await restore(before!, directory);
  expect(await found()).toBe("6: a b c");
});

test("into a directory that is not there", async () => {
  await written(NET, "container a on n");
  await backup(directory, saved);
  directory = join(directory, "other", "objects");
  expect(await restore(saved, directory)).toMatchObject({ before: undefined, revision: 3 });
  expect(await found()).toBe("3: a");
});

test("over one that is damaged: that is what it is for", async () => {
  await written(NET, "container a on n");
  await backup(directory, saved);
  await written("container b on n");
  const text = readFileSync(log(), "utf8");
  writeFileSync(log(), `${text}damage\n{}\n`);
  const { before } = await restore(saved, directory);
  expect(await found()).toBe("4: a");
  expect(readFileSync(before!, "utf8")).toBe(`${text}damage\n{}\n`);
});

test("taken while it is written to, a backup has all that was acknowledged before, and nothing but what was written", async () => {
  const { registry, write } = await opened(5); // written anew all the time
  const states = new Map<number, string>();
  const text = () => JSON.stringify([...registry.state.containers.values()].map(({ id, state }) => [id, state]).sort());
  registry.on("change", ({ revision }) => states.set(revision, text()));
  await write(NET);
  let ended = false;
  const writing = (async () => {
    for (let i = 0; !ended; i++) await write(`container c${i % 50} state=${i % 3 ? "running" : "paused"} on n`);
  })();
  for (let i = 0; i < 20; i++) {
    const { revision: least } = registry;
    await backup(directory, `${saved}${i}`);
    const { revision, objects } = await checkLog(`${saved}${i}`);
    expect(revision).toBeGreaterThanOrEqual(least);
    const all = objects.flatMap((c) => (c.kind === "container.put" ? [[c.container.id, c.container.state]] : []));
    await expect.poll(() => registry.revision).toBeGreaterThanOrEqual(revision); // it may be stored and not yet fed
    expect(JSON.stringify(all.sort())).toBe(states.get(revision));
  }
  ended = true;
  await writing;
});

test("what is just being written when it is taken is left out, and said", async () => {
  await written(NET, "container a on n");
  const { size } = statSync(log());
  writeFileSync(log(), '{"sum":"', { flag: "a" });
  expect(await backup(directory, saved)).toMatchObject({ revision: 2, torn: 8, length: size });
  expect(await checkLog(saved)).toMatchObject({ revision: 2, torn: 0 });
  expect(statSync(log()).size).toBe(size + 8); // that is for who opens it
});

test("an emptied store keeps its revision", async () => {
  await written(NET);
  const { store } = await opened();
  await store.write([{ kind: "network.remove", id: "n" }]);
  await store.close();
  await backup(directory, saved);
  expect(await restore(saved, directory)).toMatchObject({ revision: 3 });
  expect(await found()).toBe("3: ");
});

test.skipIf(libcProblem() !== undefined)(
  "restored while a process has it open: refused, and nothing has happened",
  async () => {
    const { write } = await opened();
    await write(NET);
    await backup(directory, saved);
    const text = readFileSync(log(), "utf8");
    await expect(restore(saved, directory)).rejects.toMatchObject({
      code: "held",
      message: `the store in ${directory} is open in process ${process.pid}; there can be one at a time`,
    });
    expect([readFileSync(log(), "utf8"), readdirSync(directory).sort()]).toEqual([text, ["lock", "objects.log"]]);
  },
);

test("a backup never takes another file's place", async () => {
  await written(NET);
  writeFileSync(saved, "mine");
  await expect(backup(directory, saved)).rejects.toMatchObject({ message: `${saved} can't be written: EEXIST` });
  expect(readFileSync(saved, "utf8")).toBe("mine");
  expect(readdirSync(join(directory, "..")).sort()).toEqual(["objects", "saved"]);
});

test("a file beside a backup's is somebody else's", async () => {
  await written(NET);
  writeFileSync(`${saved}.new`, "mine");
  await backup(directory, saved);
  expect(readFileSync(`${saved}.new`, "utf8")).toBe("mine");
});

test.each<[string, () => void, string]>([
  [
    "cut off",
    () => writeFileSync(saved, readFileSync(log()).subarray(0, -1)),
    "line 2, octet 50: it is not what was written",
  ],
  [
    "cut off at a line",
    () => writeFileSync(saved, readFileSync(log()).subarray(0, 50)),
    "octet 50: it is cut off, 0 of 1 lines",
  ],
  ["empty", () => writeFileSync(saved, ""), "is empty"],
  ["no backup", () => copyFileSync("/bin/sh", saved), "line 1, octet 0: this is no store of Eleven's"],
  ["a directory", () => mkdirSync(saved), "is no file"],
  ["not there", () => {}, "can't be opened: ENOENT"],
])("a backup that is %s is refused before anything is touched", async (_, damage, message) => {
  await written(NET);
  await backup(directory, join(directory, "good"));
  copyFileSync(join(directory, "good"), log());
  damage();
  await expect(restore(saved, directory)).rejects.toThrow(message);
  expect(await found()).toBe("1: ");
  expect(readdirSync(directory).sort()).toEqual(["good", "objects.log"]);
});

test("objects that do not fit together are found by a check", async () => {
  await written(NET, "container a on n");
  const { crc32 } = await import("node:zlib");
  const text = '"revision":3,"changes":[{"kind":"network.remove","id":"n"}]';
  writeFileSync(log(), `{"sum":"${crc32(text).toString(16).padStart(8, "0")}",${text}}\n`, { flag: "a" });
  await expect(checkLog(log())).rejects.toMatchObject({
    code: "damaged",
    message: `${log()}: what is in it does not fit together: container a: there is no network "n"; the file is left as it is`,
  });
});
