/** What a store in a directory does beside what every store must: crashes, damage, a full disk, a second process. */
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { libcProblem } from "../../src/os/libc.ts";
import { Registry } from "../../src/registry/registry.ts";
import { type FileStoreOptions, fileStore } from "../../src/registry/stores/file.ts";
import { changes } from "../support/world.ts";

const NET = "network n overlay 10.0.0.0/16";

let directory: string;
let notices: string[];
const log = () => join(directory, "objects.log");
const lines = () => readFileSync(log(), "utf8").split("\n").slice(0, -1);
beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), "eleven-")), "store");
  notices = [];
});

async function opened(more: Partial<FileStoreOptions> = {}) {
  const store = fileStore({ directory, ...more });
  const registry = new Registry();
  onTestFinished(() => store.close());
  await store.open(registry, { onNotice: (notice) => notices.push(notice) });
  const containers = () => [...registry.state.containers.keys()].join(" ");
  return { store, registry, containers, write: (text: string) => store.write(changes(text)) };
}

/** A store with these lines written one after the other, closed again. */
async function written(...batches: string[]) {
  const { store, write } = await opened();
  for (const batch of batches) await write(batch);
  await store.close();
}

/** The log as the first release had it. */
function asVersion1(): string {
  const old = lines().map((line) => {
    const { changes: done } = JSON.parse(line) as { changes?: unknown };
    const text = JSON.stringify(done);
    if (done === undefined) return '{"format":"eleven-objects","version":1}';
    return `{"sum":"${crc32(text).toString(16).padStart(8, "0")}","changes":${text}}`;
  });
  return `${old.join("\n")}\n`;
}

describe("a file store", () => {
  test("is this user's alone", async () => {
    await written(NET);
    expect([directory, log()].map((path) => (statSync(path).mode & 0o777).toString(8))).toEqual(["700", "600"]);
  });

  test("writes that wait at the same time are one line, and one visit to the disk", async () => {
    const { write } = await opened();
    await write(NET);
    const file = await open("/dev/null");
    const synced = vi.spyOn(Object.getPrototypeOf(file), "datasync");
    onTestFinished(() => synced.mockRestore());
    await file.close();
    await Promise.all(["a", "b", "c", "d"].map((name) => write(`container ${name} on n`)));
    expect([lines().length, synced.mock.calls.length]).toEqual([3, 1]);
  });

  test("cut anywhere in what was written last, all before it is there, and what is dropped is said", async () => {
    await written(NET, "container a on n");
    const before = statSync(log()).size;
    await written("container b on n");
    const whole = `${log()}.whole`;
    copyFileSync(log(), whole);
    const { size } = statSync(whole);
    for (let cut = before; cut <= size; cut += cut < size - 4 && cut > before + 2 ? 7 : 1) {
      copyFileSync(whole, log());
      truncateSync(log(), cut);
      notices = [];
      const { store, containers, write } = await opened();
      expect(containers()).toBe(cut === size ? "a b" : "a");
      const said = `${log()}: the last ${cut - before} octets were being written when the process ended; they are dropped`;
      expect(notices).toEqual(cut === size || cut === before ? [] : [said]);
      await write("container c on n");
      await store.close();
      expect((await reopenedOnce()).split(" ").at(-1)).toBe("c");
    }
  });

  async function reopenedOnce() {
    const { store, containers } = await opened();
    await store.close();
    return containers();
  }

  test("a tail with a hole in it was being written, too", async () => {
    await written(NET, "container a on n", "container b on n");
    const octets = readFileSync(log());
    octets.fill(0, octets.length - 20, octets.length - 10);
    writeFileSync(log(), octets);
    expect(await reopenedOnce()).toBe("a");
    expect(notices).toHaveLength(1);
  });

  test.each<[string, (all: string[]) => string[], string]>([
    [
      "another letter in the middle",
      (all) => all.with(2, all[2]!.replace('"name":"a"', '"name":"x"')),
      "damaged line 3",
    ],
    ["half a line in the middle", (all) => all.with(2, all[2]!.slice(0, 40)), "damaged line 3"],
    ["an empty line", (all) => all.with(2, ""), "damaged line 3"],
    ["another letter at the end", (all) => all.with(3, all[3]!.replace('"name":"b"', '"name":"x"')), "damaged line 4"],
    ["a first line that says nothing", (all) => all.with(0, "{}"), "damaged line 1"],
    ["a file of somebody else's", () => ["#!/bin/sh"], "damaged line 1"],
    ["a newer release's", (all) => all.with(0, '{"format":"eleven-objects","version":3}'), "format line 1"],
    ["a version that never was", (all) => all.with(0, '{"format":"eleven-objects","version":0}'), "damaged line 1"],
    [
      "a revision that was not written",
      (all) => all.with(2, all[2]!.replace('"revision":2', '"revision":3')),
      "damaged line 3",
    ],
    [
      "fewer lines than were written at once",
      (all) => all.with(0, all[0]!.replace('"lines":0', '"lines":4')),
      "damaged cut",
    ],
    [
      "half of a line that was written at once",
      (all) => [all[0]!.replace('"lines":0', '"lines":3'), all[1]!, all[2]!, ""].with(3, all[3]!.slice(0, 40)),
      "damaged line 4",
    ],
  ])("%s: refused, and the file stays as it is", async (_, damage, expected) => {
    await written(NET, "container a on n", "container b on n");
    const text = `${damage(lines()).join("\n")}\n`;
    writeFileSync(log(), text);
    const [code, , line] = expected.split(" ");
    const before = text.split("\n", Number(line) - 1).map((l) => l.length + 1);
    const octet = before.reduce((sum, length) => sum + length, 0);
    const place =
      line === undefined ? `octet ${text.length}: it is cut off, 3 of 4 lines` : `line ${line}, octet ${octet}: `;
    await expect(opened()).rejects.toMatchObject({
      name: "StoreError",
      code,
      op: "open",
      message: expect.stringContaining(`${log()}, ${place}`),
    });
    expect(readFileSync(log(), "utf8")).toBe(text);
  });

  test("an empty file, a directory in its place, a directory that can't be: refused", async () => {
    mkdirSync(directory, { recursive: true });
    writeFileSync(log(), "");
    await expect(opened()).rejects.toMatchObject({ code: "damaged", message: expect.stringContaining("is empty") });
    await expect(opened({ directory: log() })).rejects.toMatchObject({ code: "failed" });
    await expect(opened({ directory: "/dev/null/store" })).rejects.toMatchObject({ code: "failed" });
  });

  test("a log of the first version is converted, and goes on from the number of its writes", async () => {
    await written(NET, "container a on n");
    writeFileSync(log(), `${asVersion1()}{"sum":"torn`);
    const { store, registry, containers, write } = await opened();
    expect([containers(), registry.revision]).toEqual(["a", 2]);
    expect(notices).toEqual([
      expect.stringContaining("the last 12 octets were being written"),
      `${log()} was written by an earlier release; it is converted`,
    ]);
    expect(lines()[0]).toBe('{"format":"eleven-objects","version":2,"lines":1}');
    expect(await write("container b on n")).toBe(3);
    await store.close();
    expect(await reopenedOnce()).toBe("a b");
  });

  test("the log is written anew when it has outgrown what it says; what that left half done is no matter", async () => {
    const { store, write } = await opened({ slack: 10 });
    await write(NET);
    for (let i = 0; i < 100; i++) await write(`container a state=${i % 2 ? "paused" : "running"} on n`);
    expect(lines().length).toBeLessThan(16);
    await store.close();
    writeFileSync(`${log()}.new`, "half");
    expect(await reopenedOnce()).toBe("a");
    expect(() => statSync(`${log()}.new`)).toThrow("ENOENT");
  });

  test("large batches, too: many lines, nothing lost", async () => {
    const names = Array.from({ length: 2_500 }, (_, i) => `c${i}`);
    const { store, write } = await opened({ slack: -1_000_000 });
    await write(`${NET}\n${names.map((name) => `container ${name} on n`).join("\n")}`);
    await store.close();
    expect(lines()).toHaveLength(4);
    expect(await reopenedOnce()).toBe(names.join(" "));
  });

  test.skipIf(libcProblem() !== undefined)("a second one is told who has it; it may have it afterwards", async () => {
    const { store } = await opened();
    await expect(opened()).rejects.toMatchObject({
      code: "held",
      message: `the store in ${directory} is open in process ${process.pid}; there can be one at a time`,
    });
    await store.close();
    await opened();
  });

  test("what the disk did not take for sure is not there, and the next write makes sure", async () => {
    const { store, registry, containers, write } = await opened();
    await write(NET);
    const file = await open("/dev/null");
    const failing = vi.spyOn(Object.getPrototypeOf(file), "datasync");
    onTestFinished(() => failing.mockRestore());
    await file.close();
    const lost = Object.assign(new Error("EIO: i/o error, fdatasync"), { code: "EIO", syscall: "fdatasync" });
    failing.mockRejectedValueOnce(lost);
    await expect(write("container a on n")).rejects.toMatchObject({ code: "failed", op: "write", cause: lost });
    expect([registry.revision, containers()]).toEqual([1, ""]);
    const inode = statSync(log()).ino;
    await write("container b on n");
    expect(statSync(log()).ino).not.toBe(inode); // another file: of the old one nobody knows what it holds
    await store.close();
    expect(await reopenedOnce()).toBe("b");
  });

  test("when it is not sure that the log was replaced, it goes on in the file that has the name", async () => {
    const { store, write } = await opened({ slack: -1_000_000 });
    const file = await open("/dev/null");
    const failing = vi.spyOn(Object.getPrototypeOf(file), "sync");
    onTestFinished(() => failing.mockRestore());
    await file.close();
    failing.mockRejectedValueOnce(Object.assign(new Error("EIO: i/o error, fsync"), { code: "EIO" }));
    await write(`${NET}\n container b on n\n container c on n\n container d on n`);
    const said = [`${log()} can't be written: EIO; the log goes on growing`];
    await vi.waitFor(() => expect(notices).toEqual(said));
    await write("container a on n");
    await store.close();
    expect(await reopenedOnce()).toBe("b c d a");
  });

  test("what is stored is what is fed, whatever is said when it is asked again", async () => {
    const { store, registry, write } = await opened();
    await write(NET);
    let asked = 0;
    const container = new Proxy({ name: "" }, { get: (_, key) => (key === "name" ? `c${asked++}` : undefined) });
    await store.write([{ kind: "container.put", container }]);
    const there = [...registry.state.containers.keys()];
    await store.close();
    expect(await reopenedOnce()).toBe(there.join(" "));
  });

  test("closed while it is being opened, it feeds nothing from then on, and the directory is free", async () => {
    await written(NET);
    const store = fileStore({ directory });
    const registry = new Registry();
    const opening = store.open(registry);
    await store.close();
    const { revision } = registry;
    await opening.catch(() => {});
    expect(registry.revision).toBe(revision);
    await opened();
  });
});

test("a log that is in its place, but not for sure, is where the next write goes", async () => {
  const { store, containers, write } = await opened({ slack: -1_000_000 });
  await write(NET);
  const file = await open("/dev/null");
  const failing = vi.spyOn(Object.getPrototypeOf(file), "sync");
  onTestFinished(() => failing.mockRestore());
  await file.close();
  failing.mockRejectedValueOnce(Object.assign(new Error("EIO: i/o error, fsync"), { code: "EIO", syscall: "fsync" }));
  await write("container a on n"); // stored, and then the log is written anew
  await write("container b on n");
  expect([containers(), notices.length]).toEqual(["a b", 1]);
  await store.close();
  expect((await opened()).containers()).toBe("a b");
});

test("closed while it is being opened, it is closed: nothing is fed afterwards, and another may have it", async () => {
  await written(NET);
  const store = fileStore({ directory });
  const registry = new Registry();
  const opening = store.open(registry).catch(() => {});
  await store.close();
  const { revision } = registry;
  await opening;
  await expect(store.write([])).rejects.toMatchObject({ code: "closed" });
  expect(registry.revision).toBe(revision);
  const again = await opened();
  await again.store.close();
});

describe.skipIf(process.getuid?.() !== 0)("a file store on a full disk", () => {
  beforeEach(() => {
    mkdirSync(directory, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "eleven-test", directory]);
    onTestFinished(() => void execFileSync("umount", [directory]));
  });

  test("a write that does not fit is refused, all is as before, and the next one that fits is taken", async () => {
    const { store, registry, containers, write } = await opened();
    await write(NET);
    const many = Array.from({ length: 1_000 }, (_, i) => `container c${i} on n`).join("\n");
    const before = readFileSync(log());
    await expect(write(many)).rejects.toMatchObject({
      code: "failed",
      message: `${log()} can't be written: ENOSPC`,
    });
    expect([registry.revision, containers(), readFileSync(log()).equals(before)]).toEqual([1, "", true]);
    expect(await write("container a on n")).toBe(2);
    expect(registry.state.containers.get("a")?.endpoints[0]?.ip4).toBe("10.0.0.2"); // what was refused took no address
    await store.close();
    expect(notices).toEqual([]);
    const again = await opened();
    expect(again.containers()).toBe("a");
    await again.store.close();
  });

  test("a log that can't be written anew goes on, as long as there is room for a line; what is refused then is not there", async () => {
    const { store, containers, write } = await opened({ slack: -1_000_000 });
    await write(`${NET}\n${Array.from({ length: 200 }, (_, i) => `container c${i} on n`).join("\n")}`);
    const anew = "can't be written: ENOSPC; the log goes on growing";
    let written = 0;
    let refused: unknown;
    for (; refused === undefined && written < 500; written++)
      await write(`container a${written} on n`).catch((error) => {
        refused = error;
      });
    expect(refused).toMatchObject({ code: "failed", message: `${log()} can't be written: ENOSPC` });
    expect(new Set(notices)).toEqual(new Set([`${log()} ${anew}`]));
    expect(readdirSync(directory).sort()).toEqual(["lock", "objects.log"]);
    const there = containers();
    expect(there.split(" ").length).toBe(200 + written - 1);
    await store.close();
    const again = await opened();
    expect(again.containers().split(" ").sort()).toEqual(there.split(" ").sort());
    await again.write("container b on nowhere").catch(() => {});
    await again.store.close();
  });

  test("a log of an earlier release that can't be converted is served, and converted when there is room", async () => {
    await written(`${NET}\n${Array.from({ length: 100 }, (_, i) => `container c${i} on n`).join("\n")}`);
    writeFileSync(log(), asVersion1());
    const filling = join(directory, "filling");
    writeFileSync(filling, Buffer.alloc(30_000));
    const { store, registry, containers, write } = await opened();
    const there = containers();
    expect([registry.revision, there.split(" ").length, notices.length]).toEqual([1, 100, 1]);
    expect(notices[0]).toContain(`${log()} can't be written: ENOSPC; it was written by an earlier release`);
    await expect(write("container a on n")).rejects.toMatchObject({ code: "failed" });
    rmSync(filling);
    expect(await write("container a on n")).toBe(2);
    expect(lines()[0]).toContain('"version":2');
    await store.close();
    expect((await opened()).containers()).toBe(`${there} a`);
  });
});

test.each<[string, unknown, string]>([
  ["nothing", undefined, "not undefined"],
  ["a typo", { dir: "/tmp/eleven" }, "not undefined"],
  ["no text", { directory: 5 }, "not 5"],
  ["an empty path", { directory: "" }, 'not ""'],
])("a store is refused before it is opened: %s", (_, options, message) => {
  expect(() => fileStore(options as FileStoreOptions)).toThrow(`directory must be the path of a directory, ${message}`);
});
