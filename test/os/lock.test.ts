/** Locks: one owner, this process's other calls included; a dead owner is none. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { libcProblem } from "../../src/os/libc.ts";
import { LockHeld, takeLock } from "../../src/os/lock.ts";
import { StateDir } from "../../src/os/state-dir.ts";

describe.skipIf(libcProblem() !== undefined)("a lock", () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "eleven-"));
    path = join(folder, "lock");
  });

  test("is had once, and had again once it is released; nothing of it stays", () => {
    const first = takeLock(path);
    expect(() => takeLock(path)).toThrow(new LockHeld(path, process.pid).message);
    first.release();
    const second = takeLock(path);
    first.release(); // not the second one's
    expect(() => takeLock(path)).toThrow(LockHeld);
    second.release();
    expect(existsSync(path)).toBe(false);
  });

  test("a file that a dead process left is no lock, whatever stands in it", () => {
    writeFileSync(path, "4711");
    takeLock(path).release();
  });

  test("whoever holds it says who he is, and is succeeded when he is killed", async () => {
    const words = ["--no-fork", path, "sh", "-c", "echo up; exec sleep 60"];
    const child = spawn("flock", words, { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    expect(() => takeLock(path)).toThrow(`${path} is locked by another process`);
    writeFileSync(path, String(child.pid));
    expect(() => takeLock(path)).toThrow(`${path} is locked by process ${child.pid}`);
    child.kill("SIGKILL");
    await expect.poll(() => tried(path)).toBe(true);
  });

  test.skipIf(process.getuid?.() !== 0)("on a full disk it is had, too: only whose it is can't be said", () => {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=8k", "eleven-test", folder]);
    onTestFinished(() => void execFileSync("umount", [folder]));
    try {
      writeFileSync(join(folder, "full"), Buffer.alloc(1 << 20));
    } catch {}
    const lock = takeLock(path);
    expect(() => takeLock(path)).toThrow(`${path} is locked by another process`);
    lock.release();
  });

  test("whose file somebody has removed does not remove the next one's", () => {
    const first = takeLock(path);
    rmSync(path);
    const second = takeLock(path);
    first.release();
    expect(() => takeLock(path)).toThrow(LockHeld);
    second.release();
    expect(existsSync(path)).toBe(false);
  });

  test("a link in its place is not followed", () => {
    symlinkSync(join(folder, "elsewhere"), path);
    expect(() => takeLock(path)).toThrow("ELOOP");
    expect(readdirSync(folder)).toEqual(["lock"]);
  });

  test("in the state directory it is beside what is remembered, which is only ours", () => {
    const dir = new StateDir(join(folder, "state"));
    const lock = dir.lock("netns-4-1");
    expect(() => dir.lock("netns-4-1")).toThrow(LockHeld);
    dir.lock("netns-4-2").release();
    lock.release();
    expect(dir.names("")).toEqual([]);
  });
});

function tried(path: string): boolean {
  try {
    takeLock(path).release();
    return true;
  } catch {
    return false;
  }
}
