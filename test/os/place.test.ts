/** Whether two paths lead to the same, as node's own stat has it. */
import { mkdtempSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { placeOf } from "../../src/os/place.ts";

const directory = mkdtempSync(join(tmpdir(), "eleven-place-"));
afterAll(() => rmSync(directory, { recursive: true }));

const file = (name: string): string => {
  const path = join(directory, name);
  writeFileSync(path, "");
  return path;
};

/** Octets of device and inode, as numbers. */
const seen = (path: string) => {
  const octets = Buffer.from(placeOf(path)!, "latin1");
  const [major, minor] = [octets.readUInt32LE(8), octets.readUInt32LE(12)];
  return { ino: octets.readBigUInt64LE(0), dev: BigInt((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) };
};

test.each(["/", "/proc/thread-self/ns/net", "/dev/null", directory])("%s", (path) => {
  const { ino, dev } = statSync(path, { bigint: true });
  expect(seen(path)).toEqual({ ino, dev });
});

test("a link is where it leads; what takes its place is elsewhere; nothing is nowhere", () => {
  const [one, other] = [file("one"), file("other")];
  symlinkSync(one, join(directory, "link"));
  expect(placeOf(join(directory, "link"))).toBe(placeOf(one));
  const before = placeOf(one);
  renameSync(other, one);
  expect(placeOf(one)).not.toBe(before);
  expect([placeOf(other), placeOf(""), placeOf("/dev/null/x")]).toEqual([undefined, undefined, undefined]);
});
