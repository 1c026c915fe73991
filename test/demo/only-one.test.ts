/** Two demos would remove each other's namespaces. */
import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { beTheOnlyOne } from "../../src/demo/only-one.ts";
import { libcProblem } from "../../src/os/libc.ts";

// They used to find out that nobody listened on a socket, and then both removed it.
test.skipIf(libcProblem() !== undefined)(
  "of two that start at once after one was killed, one is told of the other",
  () => {
    const path = join(mkdtempSync(join(tmpdir(), "eleven-")), "lock");
    writeFileSync(path, "4711");
    const first = beTheOnlyOne(path);
    expect(() => beTheOnlyOne(path)).toThrow(`(process ${process.pid}); there can be one at a time`);
    first.release();
    expect(existsSync(path)).toBe(false);
    beTheOnlyOne(path).release();
  },
);
