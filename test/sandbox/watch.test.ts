import { mkdtempSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { namespaceAt } from "../../src/sandbox/watch.ts";

test("a path that can't be looked at leads to no namespace, and is no error", () => {
  const loop = join(mkdtempSync(join(tmpdir(), "eleven-")), "loop");
  symlinkSync(loop, loop); // ELOOP; EACCES is root's exception
  expect(namespaceAt(loop)).toBeUndefined();
  expect(namespaceAt("/nowhere")).toBeUndefined();
  expect(namespaceAt("/proc/self/ns/net")).toMatch(/^\d+:\d+$/);
});
